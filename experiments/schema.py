"""What an experiment file may say: one model per scenario, quantities with their units.

A file gives every rate, size, duration and share as a text with a unit; the models hold plain
numbers in bit/s, bytes, seconds and shares of 1, and their names say so. The names in the file
are the aliases. Models are strict and refuse unknown keys; `experiments.validation` turns their
complaints into one line with `file:line`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from experiments.values import (
    MAX_FIGURE,
    MAX_OCCURRENCE,
    MAX_REQUESTS,
    MAX_TITLE,
    Clocks,
    Concurrency,
    Delay,
    Direction,
    DroppedPacket,
    Duration,
    Endpoint,
    Loss,
    Name,
    PageSize,
    PathManagerLimit,
    PositiveDuration,
    Protocols,
    Rate,
    Servers,
    Size,
    Sizes,
    SysctlEntry,
    SysctlKey,
    Text,
    WholeMilliseconds,
    WholeSeconds,
)


class Table(BaseModel):
    """A table of the file: immutable, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Link(Table):
    """A link; delay and loss are those of each direction."""

    rate_bps: Rate = Field(alias="rate")
    delay_s: Delay = Field(default=0.0, alias="delay")
    loss: Loss = 0.0


class Mptcp(Table):
    """How server and client use MPTCP.

    `add_addr`: the server announces its unique address. `add_addr_timeout_s`: it repeats an ADD_ADDR that was
    not echoed, 0 never. `deny_join`: the server sets the C flag (RFC 8684 section 3.1). `initial_backup`: the
    server makes the initial subflow a backup, by an endpoint on its local address. `path_manager`: what announces
    the server's unique address, and makes the initial subflow a backup: the kernel's endpoints, or `testbed
    path-manager` on each server. The latter announces again if no subflow has come after `repeat_announce_s`, then
    after twice as long, and so on; 0 never. `subflows` and `add_addr_accepted`: the client's limits.
    `client_endpoint`: the client has a second address on its first link, which it uses for further subflows as an
    endpoint of this type does (ip-mptcp(8)): `subflow` joins the address of the initial subflow.

    These need a kernel with our patches, and leave any kernel alone at their defaults.
    `add_addr_resend_interval_s`: the server repeats an ADD_ADDR without echo on traffic too, at this interval.
    `lb_mode`: the server makes the initial subflow a backup whatever its local address is, or closes it
    as well once another one is up (the userspace path manager does both on any kernel).
    `enforce_deny_join`: the server refuses the joins that its C flag forbids.
    """

    add_addr: bool = True
    add_addr_timeout_s: WholeSeconds = Field(default=1.0, alias="add_addr_timeout")
    deny_join: bool = True
    initial_backup: bool = True
    path_manager: Literal["kernel", "userspace"] = "kernel"
    repeat_announce_s: Duration = Field(default=0.0, alias="repeat_announce")
    subflows: PathManagerLimit = 2
    add_addr_accepted: PathManagerLimit = 1
    client_endpoint: Endpoint = "none"
    add_addr_resend_interval_s: WholeMilliseconds = Field(default=0.0, alias="add_addr_resend_interval")
    lb_mode: Literal["off", "backup", "close"] = "off"
    enforce_deny_join: bool = False

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


class Drop(Table):
    """The loss of one packet per MPTCP connection: the `occurrence`-th, from 1, of those of its kind."""

    packet: DroppedPacket
    occurrence: Annotated[int, Field(ge=1, le=MAX_OCCURRENCE)] = 1


class Settings(Table):
    """What every experiment says, whatever its scenario."""

    version: Literal[1]
    name: Name
    figure: Annotated[Text, Field(max_length=MAX_FIGURE)] = ""
    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE)]
    protocols: Protocols
    clocks: Clocks = ("virtual",)
    mptcp: Mptcp = Mptcp()
    drop: Drop | None = None
    sysctl: dict[SysctlKey, SysctlEntry] = {}


class LoadBalancerTopology(Table):
    """The paper's Fig. 5: client, director, servers with a second interface on the client's switch."""

    servers: Servers = 1
    client_director: Link
    direct: Link
    director_server: Link


class PageLoads(Table):
    """Pages of each size fetched, or put as uploads, `concurrency` at a time until `total_bytes` are moved per size.

    The number of requests per size is `total_bytes` / size, kept within `min_requests` and
    `max_requests` (None: no upper limit), and never below `concurrency`, which `ab` refuses.
    """

    direction: Direction = "download"
    sizes_bytes: Sizes = Field(alias="sizes")
    concurrency: Concurrency
    total_bytes: Size = Field(alias="total")
    min_requests: Annotated[int, Field(ge=1, le=MAX_REQUESTS)] = 1
    max_requests: Annotated[int, Field(ge=1, le=MAX_REQUESTS)] | None = None

    @field_validator("max_requests")
    @classmethod
    def _leaves_room(cls, value: int | None, info: ValidationInfo) -> int | None:
        for lower in ("min_requests", "concurrency"):
            if value is not None and value < info.data.get(lower, 0):
                raise ValueError(f"max_requests = {value} is below {lower} = {info.data[lower]}")
        return value

    def requests(self, size_bytes: int) -> int:
        """How many pages of `size_bytes` are fetched."""
        wanted = max(-(-self.total_bytes // size_bytes), self.min_requests)
        if self.max_requests is not None:
            wanted = min(wanted, self.max_requests)
        return max(wanted, self.concurrency)


def _of_link(name: str, link: Link) -> dict[str, object]:
    return {f"{name}_rate_bps": link.rate_bps, f"{name}_delay_s": link.delay_s, f"{name}_loss": link.loss}


class LoadBalancerSettings(Settings):
    """An experiment on page loads through a load balancer (the paper's section V-B, Figs. 5 to 11)."""

    scenario: Literal["load-balancer"]
    plot: Literal["page-size", "ablation"] = "page-size"
    topology: LoadBalancerTopology
    workload: PageLoads

    @property
    def object_sizes(self) -> tuple[int, ...]:
        """The sizes in bytes, one point each."""
        return self.workload.sizes_bytes

    def parameters(self, object_bytes: int) -> dict[str, object]:
        """The numbers of a point, each with its unit in its name."""
        return {
            "direction": self.workload.direction,
            "requests": self.workload.requests(object_bytes),
            "concurrency": self.workload.concurrency,
            "servers": self.topology.servers,
            **_of_link("client_director", self.topology.client_director),
            **_of_link("direct", self.topology.direct),
            **_of_link("server", self.topology.director_server),
        }


class AnycastTopology(Table):
    """The paper's Fig. 12: client, ECMP router, servers that share an anycast address."""

    servers: Servers
    client_rate_bps: Rate = Field(alias="client_rate")
    server_rate_bps: Rate = Field(alias="server_rate")


class LongDownloads(Table):
    """Files fetched `concurrency` at a time, one after the other, for `duration_s`."""

    size_bytes: PageSize = Field(alias="size")
    concurrency: Concurrency
    duration_s: PositiveDuration = Field(alias="duration")


class Churn(Table):
    """Every cycle a server is up for `up_s`, then out until the cycle ends; another one each time."""

    cycle_s: PositiveDuration = Field(alias="cycle")
    up_s: PositiveDuration = Field(alias="up")
    order: Literal["rotation"] = "rotation"

    @field_validator("up_s")
    @classmethod
    def _ends_before_the_cycle(cls, value: float, info: ValidationInfo) -> float:
        cycle_s = info.data.get("cycle_s")
        if cycle_s is not None and value >= cycle_s:
            raise ValueError(f"up = {value:g} s must be shorter than cycle = {cycle_s:g} s")
        return value


class AnycastSettings(Settings):
    """An experiment on downloads from anycast servers that come and go (section V-C, Figs. 12 to 14)."""

    scenario: Literal["anycast"]
    plot: Literal["timeline"] = "timeline"
    topology: AnycastTopology
    workload: LongDownloads
    churn: Churn | None = None

    @property
    def object_sizes(self) -> tuple[int, ...]:
        """The size in bytes of all downloads."""
        return (self.workload.size_bytes,)

    def parameters(self, _object_bytes: int) -> dict[str, object]:
        """The numbers of a point, each with its unit in its name."""
        churn = self.churn
        return {
            "concurrency": self.workload.concurrency,
            "duration_s": self.workload.duration_s,
            "servers": self.topology.servers,
            "client_rate_bps": self.topology.client_rate_bps,
            "server_rate_bps": self.topology.server_rate_bps,
            "cycle_s": churn.cycle_s if churn else 0.0,
            "up_s": churn.up_s if churn else 0.0,
            "order": churn.order if churn else "none",
        }

    @field_validator("churn")
    @classmethod
    def _leaves_a_server(cls, value: Churn | None, info: ValidationInfo) -> Churn | None:
        topology = info.data.get("topology")
        if value is not None and topology is not None and topology.servers < 2:
            raise ValueError("churn with servers = 1 would leave no server")
        return value


SCENARIOS: dict[str, type[LoadBalancerSettings] | type[AnycastSettings]] = {
    "load-balancer": LoadBalancerSettings,
    "anycast": AnycastSettings,
}
