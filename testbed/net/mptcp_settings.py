"""`[mptcp]` of an experiment's file: how server and client use MPTCP.

What a setting does to a kernel is in `testbed.net.mptcp`; a new setting is a field here and its one use there.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from testbed.base.quantities import Duration, WholeSeconds
from testbed.base.table import Table

MAX_PATH_MANAGER_LIMIT = 8
MAX_RESEND_INTERVAL_S = 120
MAX_JOIN_SYN_RTO_MIN_S = 1

PATCHED_SYSCTLS = (
    "net.mptcp.add_addr_resend_interval",
    "net.mptcp.lb_mode",
    "net.mptcp.enforce_deny_join_id0",
    "net.mptcp.cwnd_push",
    "net.mptcp.initial_rcv_wnd",
    "net.mptcp.join_syn_rto_min",
)
"""The sysctls that our patches bring (`kernel-patches/`)."""

LbMode = Literal["off", "backup", "close"]
_LB_MODE: dict[LbMode, int] = {"off": 0, "backup": 1, "close": 2}

CwndPush = Literal["off", "backup", "all"]
_CWND_PUSH: dict[CwndPush, int] = {"off": 0, "backup": 1, "all": 2}


def _whole_milliseconds(value: float) -> float:
    if abs(value * 1000 - round(value * 1000)) > 1e-6:
        raise ValueError(f"{value * 1000:g} ms is not a whole number of milliseconds, which the kernel's sysctl takes")
    return value


def _at_most(limit_s: int) -> AfterValidator:
    def check(value: float) -> float:
        if value > limit_s:
            raise ValueError(f"{value:g} s is above {limit_s} s, the most that the kernel's sysctl takes")
        return value

    return AfterValidator(check)


WholeMilliseconds = Annotated[Duration, AfterValidator(_whole_milliseconds)]
PathManagerLimit = Annotated[int, Field(ge=0, le=MAX_PATH_MANAGER_LIMIT)]


class Mptcp(Table):
    """How server and client use MPTCP.

    The last five need a kernel with our patches, and leave any kernel alone at their defaults.
    """

    add_addr: bool = Field(default=True, description="The server announces its unique address.")
    add_addr_timeout_s: WholeSeconds = Field(
        default=1.0,
        alias="add_addr_timeout",
        description="The server repeats an ADD_ADDR that was not echoed after this time, in whole seconds; 0 never.",
    )
    deny_join: bool = Field(
        default=True,
        description="The server sets the C flag (RFC 8684 section 3.1): no join to the address of the initial subflow.",
    )
    initial_backup: bool = Field(
        default=True,
        description="The server makes the initial subflow a backup, by an endpoint on its local address.",
    )
    path_manager: Literal["kernel", "userspace"] = Field(
        default="kernel",
        description="What announces the server's unique address and makes the initial subflow a backup: the kernel's "
        "endpoints, or `testbed path-manager` on each server.",
    )
    repeat_announce_s: Duration = Field(
        default=0.0,
        alias="repeat_announce",
        description="The userspace path manager announces again if no subflow has come after this time, then after "
        "twice as long, and so on; 0 never.",
    )
    subflows: PathManagerLimit = Field(
        default=2, description="The client's limit of subflows beside the initial one (ip-mptcp(8))."
    )
    add_addr_accepted: PathManagerLimit = Field(
        default=1, description="The client's limit of addresses that it takes from an ADD_ADDR (ip-mptcp(8))."
    )
    client_endpoint: Literal["none", "subflow", "fullmesh"] = Field(
        default="none",
        description="The client has a second address on its first link, which it uses for further subflows as an "
        "endpoint of this type does (ip-mptcp(8)): `subflow` joins the address of the initial subflow.",
    )
    add_addr_resend_interval_s: Annotated[WholeMilliseconds, _at_most(MAX_RESEND_INTERVAL_S)] = Field(
        default=0.0,
        alias="add_addr_resend_interval",
        description="The server repeats an ADD_ADDR without echo on traffic too, at this interval (paper section V-A; "
        "our patch 0002).",
    )
    lb_mode: LbMode = Field(
        default="off",
        description="The server makes the initial subflow a backup whatever its local address is, or closes it as "
        "well once another one is up (paper section IV-A; our patch 0003, or the userspace path manager).",
    )
    enforce_deny_join: bool = Field(
        default=False, description="The server refuses the joins that its C flag forbids (our patch 0004)."
    )
    cwnd_push: CwndPush = Field(
        default="off",
        description="Client and servers give backup subflows, or all, only what their congestion window takes, as the "
        "paper's kernel did, and count the receive window from the handshake on (our patches 0010 and 0011).",
    )
    join_syn_rto_min_s: Annotated[WholeMilliseconds, _at_most(MAX_JOIN_SYN_RTO_MIN_S)] = Field(
        default=0.0,
        alias="join_syn_rto_min",
        description="The client repeats the SYN of a join once after two of the connection's round trips, but not "
        "before this time; at 0 after TCP's initial second (our patch 0012).",
    )

    @field_validator("repeat_announce_s")
    @classmethod
    def _needs_the_daemon(cls, value: float, info: ValidationInfo) -> float:
        if value > 0 and info.data.get("path_manager") == "kernel":
            raise ValueError(
                'only the userspace path manager repeats: path_manager = "userspace"; the kernel has add_addr_timeout'
            )
        return value

    @field_validator("path_manager")
    @classmethod
    def _daemon_announces(cls, value: str, info: ValidationInfo) -> str:
        if value == "userspace" and info.data.get("add_addr") is False:
            raise ValueError("the userspace path manager always announces the address: add_addr = false has no effect")
        return value

    @field_validator("enforce_deny_join")
    @classmethod
    def _has_a_flag_to_enforce(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("deny_join") is False:
            raise ValueError("with deny_join = false there is no C flag to enforce")
        return value

    @property
    def in_kernel(self) -> bool:
        """Whether the kernel's own path manager does the server's work."""
        return self.path_manager == "kernel"

    @property
    def has_second_address(self) -> bool:
        """Whether the client has a second address, for subflows."""
        return self.client_endpoint != "none"

    @property
    def server_sysctls(self) -> dict[str, int]:
        """Upstream's sysctls of a server, with their values."""
        return {
            "net.mptcp.pm_type": int(not self.in_kernel),
            "net.mptcp.enabled": 1,
            "net.mptcp.allow_join_initial_addr_port": int(not self.deny_join),
            "net.mptcp.add_addr_timeout": int(self.add_addr_timeout_s),
            "net.mptcp.blackhole_timeout": 0,
        }

    @property
    def patched_server_sysctls(self) -> dict[str, int]:
        """The sysctls of our patches that such a server needs, with their values; at the defaults none."""
        values = {
            "net.mptcp.add_addr_resend_interval": round(self.add_addr_resend_interval_s * 1000),
            "net.mptcp.lb_mode": _LB_MODE[self.lb_mode] if self.in_kernel else 0,
            "net.mptcp.enforce_deny_join_id0": int(self.enforce_deny_join),
            **self._push_sysctls,
        }
        return {name: value for name, value in values.items() if value}

    @property
    def client_sysctls(self) -> dict[str, int]:
        """Upstream's sysctls of a client, with their values."""
        return {
            "net.mptcp.enabled": 1,
            "net.mptcp.allow_join_initial_addr_port": 1,
            "net.mptcp.blackhole_timeout": 0,
        }

    @property
    def patched_client_sysctls(self) -> dict[str, int]:
        """The sysctls of our patches that such a client needs, with their values; at the defaults none."""
        timer = {"net.mptcp.join_syn_rto_min": round(self.join_syn_rto_min_s * 1000)} if self.join_syn_rto_min_s else {}
        return {**self._push_sysctls, **timer}

    @property
    def _push_sysctls(self) -> dict[str, int]:
        """Those of `cwnd_push`, which both ends have.

        Data that a subflow is not given too early come past those on the slower one, often before the connection's
        first DATA_ACK: a receiver that counts no window by then drops them.
        """
        if self.cwnd_push == "off":
            return {}
        return {"net.mptcp.cwnd_push": _CWND_PUSH[self.cwnd_push], "net.mptcp.initial_rcv_wnd": 1}
