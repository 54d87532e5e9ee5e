"""MPTCP of a server and of a client: sysctls, limits and endpoints of the in-kernel path manager.

The paper on today's kernel (6.12): its B flag is RFC 8684's C flag (`allow_join_initial_addr_port=0`),
its E bit the ADD_ADDR echo; a `signal` endpoint announces the unique address, a `backup` endpoint on
the local address of the initial subflow makes that subflow a backup. Source: net/mptcp/pm_kernel.c.

What upstream lacks comes from the patches in `kernel-patches/`, each behind a sysctl that is off by default.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterable
from typing import Any, Literal

from pyroute2 import MPTCP

from testbed.base.errors import PrerequisiteError, ReadbackError
from testbed.base.needs import PATCHED, Call, Need, kernel, program
from testbed.base.needs import sysctl as sysctl_need
from testbed.net import sysctl
from testbed.net.netns import Node, inside

SIGNAL, SUBFLOW, BACKUP, FULLMESH = 1, 2, 4, 8  # MPTCP_PM_ADDR_FLAG_*, include/uapi/linux/mptcp_pm.h

SYSCTLS = (
    "net.mptcp.enabled",
    "net.mptcp.pm_type",
    "net.mptcp.allow_join_initial_addr_port",
    "net.mptcp.add_addr_timeout",
    "net.mptcp.blackhole_timeout",
)
"""Upstream's sysctls that server and client set."""

PATCHED_SYSCTLS = ("net.mptcp.add_addr_resend_interval", "net.mptcp.lb_mode", "net.mptcp.enforce_deny_join_id0")
"""Those of our patches."""

NEEDS = frozenset(
    {
        kernel("MPTCP", "CONFIG_MPTCP", purpose="the protocol", probe=(Call(function="testbed.net.mptcp:probe"),)),
        program("mptcpize", package="mptcpize", purpose="programs that speak MPTCP"),
        *(sysctl_need(name, purpose="settings of MPTCP") for name in SYSCTLS),
    }
)
"""What every point over MPTCP needs."""

_IPPROTO_MPTCP = 262
LbMode = Literal["off", "backup", "close"]
_LB_MODE: dict[LbMode, int] = {"off": 0, "backup": 1, "close": 2}


def patched(name: str) -> Need:
    """The need of a sysctl that a patch brings; raises ValueError for another one."""
    if name not in PATCHED_SYSCTLS:
        raise ValueError(f"{name}: no sysctl of a patch")
    return sysctl_need(name, cure=PATCHED)


def probe() -> None:
    """Connect over MPTCP to oneself."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_MPTCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_MPTCP) as client:
            client.connect(listener.getsockname())


def configure_server(
    server: Node,
    *,
    local: str,
    unique: str,
    deny_join: bool,
    initial_backup: bool,
    add_addr_timeout_s: int,
    add_addr: bool = True,
    in_kernel: bool = True,
    add_addr_resend_ms: int = 0,
    lb_mode: LbMode = "off",
    enforce_deny_join: bool = False,
) -> dict[str, Any]:
    """The server's side of the paper: C flag, unique address announced, initial subflow a backup.

    `local` is the address that the server's socket sees for the initial subflow: the real server's
    behind a translating director, the anycast address otherwise. Unless the path manager is `in_kernel`,
    there are no endpoints: a daemon in user space does the rest, and no join is let in before it runs.

    The last three need the patches of `kernel-patches/`; at their defaults no sysctl of a patch is touched, so
    that any kernel will do. `add_addr_resend_ms` (paper section V-A): the interval at which an ADD_ADDR without
    echo is repeated on traffic. `lb_mode` (Fig. 4, section IV-A): the server makes the initial subflow a backup
    by itself, or closes it when another one is up; unless `in_kernel`, that is the daemon's work.
    `enforce_deny_join`: it refuses the joins that the C flag forbids.
    Raises `PrerequisiteError` if the kernel lacks one of them.
    """
    wanted_of_patches = patched_sysctls(
        in_kernel=in_kernel,
        add_addr_resend_ms=add_addr_resend_ms,
        lb_mode=lb_mode,
        enforce_deny_join=enforce_deny_join,
    )
    _require(server, wanted_of_patches)
    settings = sysctl.put(
        server,
        {
            "net.mptcp.pm_type": int(not in_kernel),
            "net.mptcp.enabled": 1,
            "net.mptcp.allow_join_initial_addr_port": int(not deny_join),
            "net.mptcp.add_addr_timeout": add_addr_timeout_s,
            "net.mptcp.blackhole_timeout": 0,
            **wanted_of_patches,
        },
    )
    wanted = {unique: SIGNAL} if in_kernel and add_addr else {}
    if in_kernel and initial_backup:
        wanted[local] = BACKUP
    return {"sysctl": settings, "endpoints": _put_endpoints(server, wanted)}


def patched_sysctls(
    *, in_kernel: bool, add_addr_resend_ms: int, lb_mode: LbMode, enforce_deny_join: bool
) -> dict[str, int]:
    """The sysctls of our patches that such a server needs (see `configure_server`), with their values."""
    patched = {
        "net.mptcp.add_addr_resend_interval": add_addr_resend_ms,
        "net.mptcp.lb_mode": _LB_MODE[lb_mode] if in_kernel else 0,
        "net.mptcp.enforce_deny_join_id0": int(enforce_deny_join),
    }
    return {name: value for name, value in patched.items() if value}


def configure_client(
    client: Node, *, subflows: int, add_addr_accepted: int, second_address: str = "", endpoint: str = "none"
) -> dict[str, Any]:
    """A client as in the paper: it opens a subflow to each address it is told of.

    With `endpoint` "subflow" or "fullmesh" it has one more address of its own for subflows, `second_address`.
    """
    settings = sysctl.put(
        client,
        {
            "net.mptcp.enabled": 1,
            "net.mptcp.allow_join_initial_addr_port": 1,
            "net.mptcp.blackhole_timeout": 0,
        },
    )
    wanted = {"subflows": subflows, "add_addr_accepted": add_addr_accepted}
    with inside(client), MPTCP() as path_manager:
        path_manager.limits("set", **wanted)
        (limits,) = path_manager.limits("show")
    found = {
        "subflows": limits.get_attr("MPTCP_PM_ATTR_SUBFLOWS"),
        "add_addr_accepted": limits.get_attr("MPTCP_PM_ATTR_RCV_ADD_ADDRS"),
    }
    if found != wanted:
        raise ReadbackError(f"MPTCP limits of {client.name}", wanted, found)
    flags = {"none": 0, "subflow": SUBFLOW, "fullmesh": SUBFLOW | FULLMESH}[endpoint]
    endpoints = _put_endpoints(client, {second_address: flags} if flags else {})
    return {"sysctl": settings, "limits": found, "endpoints": endpoints}


def _put_endpoints(node: Node, wanted: dict[str, int]) -> dict[str, int]:
    with inside(node), MPTCP() as path_manager:
        for identifier, (address, flags) in enumerate(wanted.items(), start=1):
            path_manager.endpoint("add", addr=address, id=identifier, flags=flags)
        found = _endpoints(path_manager)
    if found != wanted:
        raise ReadbackError(f"MPTCP endpoints of {node.name}", wanted, found)
    return found


def _require(node: Node, names: Iterable[str]) -> None:
    for name in names:
        if not sysctl.exists(node, name):
            raise PrerequisiteError(
                f"this kernel ({platform.release()}) is unpatched: it has no sysctl {name}, asked for on {node.name}",
                hint="'testbed kernel build' makes a kernel with the patches of kernel-patches/",
            )


def _endpoints(path_manager: Any) -> dict[str, int]:
    found = {}
    for message in path_manager.endpoint("show"):
        address = message.get_attr("MPTCP_PM_ATTR_ADDR")
        found[address.get_attr("MPTCP_PM_ADDR_ATTR_ADDR4")] = address.get_attr("MPTCP_PM_ADDR_ATTR_FLAGS")
    return found
