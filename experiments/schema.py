"""What an experiment file may say: one model per scenario, quantities with their units.

A file gives every rate, size, duration and share as a text with a unit; the models hold plain
numbers in bit/s, bytes, seconds and shares of 1, and their names say so. The names in the file
are the aliases. Models are strict and refuse unknown keys; `experiments.validation` turns their
complaints into one line with `file:line`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from testbed.base.text import plain
from testbed.base.units import parse_duration_s, parse_rate_bps, parse_share, parse_size_bytes

T = TypeVar("T")

# The address plan numbers servers in the last byte of an address; ab and the kernel set the other two.
MAX_SERVERS = 64
MAX_AB_CONCURRENCY = 20_000
MAX_PATH_MANAGER_LIMIT = 8
MAX_OCCURRENCE = 1000
MAX_RESEND_INTERVAL_S = 120
MAX_SYSCTL_TEXT = 200
MAX_FIGURE = 16
MAX_TITLE = 200
MAX_REQUESTS = 10_000_000

MAX_OBJECT_BYTES = 10**9
MAX_TIMER_S = 86_400
MAX_DELAY_S = 60
MAX_DURATION_S = 10**7
MAX_RATE_BPS = 10**13

SYSCTL_ROLES = ("client", "server", "director", "router")
"""Tables below `[sysctl]`: whose sysctls these are (`experiments.sysctls`)."""

_SYSCTL_NAME = re.compile(r"^net(\.[A-Za-z0-9_-]+){2,}$")


def _quantity(parse: Callable[[str], T], what: str, example: str) -> Callable[[object], T]:
    def validate(value: object) -> T:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f'{value} has no unit: a {what} is a text such as "{example}"')
        raise ValueError(f'a {what} is a text such as "{example}"')

    return validate


def _of_this_world_bps(value: int) -> int:
    if value > MAX_RATE_BPS:
        raise ValueError(f"a rate is {MAX_RATE_BPS // 10**9} Gbit/s at most")
    return value


def _of_this_world_s(value: float) -> float:
    if value > MAX_DURATION_S:
        raise ValueError(f"a duration is {MAX_DURATION_S} s at most")
    return value


def _above_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("a duration of 0 makes no sense here")
    return value


def _whole_seconds(value: float) -> float:
    if value != int(value):
        raise ValueError(f"{value:g} s is not a number of whole seconds, which is all that the kernel's sysctl takes")
    if value > MAX_TIMER_S:
        raise ValueError(f"{value:g} s is above {MAX_TIMER_S} s")
    return value


def _of_a_link(value: float) -> float:
    if value > MAX_DELAY_S:
        raise ValueError(f"a delay of {value:g} s is above {MAX_DELAY_S} s")
    return value


def _of_a_page(value: int) -> int:
    if value > MAX_OBJECT_BYTES:
        raise ValueError(f"{value} bytes are above 1 GB, the most that a server can keep")
    return value


def _one_line(value: str) -> str:
    if plain(value) != value:
        raise ValueError(f"{plain(value)!r} is no line of plain text")
    return value


def _whole_milliseconds(value: float) -> float:
    if abs(value * 1000 - round(value * 1000)) > 1e-6:
        raise ValueError(f"{value * 1000:g} ms is not a whole number of milliseconds, which the kernel's sysctl takes")
    if value > MAX_RESEND_INTERVAL_S:
        raise ValueError(f"{value:g} s is above {MAX_RESEND_INTERVAL_S} s, the most that the kernel's sysctl takes")
    return value


def _not_everything(value: float) -> float:
    if value >= 1:
        raise ValueError("a loss of 100 % lets nothing through")
    return value


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) != len(values):
        raise ValueError("the same value stands in the list twice")
    return values


def sysctl_name(name: str) -> str:
    """The name of a sysctl below net; raises ValueError."""
    if not _SYSCTL_NAME.match(name):
        raise ValueError(f'{name!r} is not the name of a sysctl below net, in quotes: "net.ipv4.tcp_rmem"')
    return name


def sysctl_value(value: object) -> object:
    """The value of a sysctl; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError("a sysctl's value is a whole number or a text")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise ValueError("a sysctl's number has 64 bits at most")
    if isinstance(value, str) and (len(value) > MAX_SYSCTL_TEXT or plain(value) != value):
        raise ValueError(f"a sysctl's text is one line of {MAX_SYSCTL_TEXT} characters at most")
    return value


def _sysctl_key(name: str) -> str:
    return name if name in SYSCTL_ROLES else sysctl_name(name)


def _sysctl_entry(value: object) -> object:
    return value if isinstance(value, dict) else sysctl_value(value)


Rate = Annotated[
    int, BeforeValidator(_quantity(parse_rate_bps, "rate", "100 Mbit/s")), AfterValidator(_of_this_world_bps)
]
Size = Annotated[int, BeforeValidator(_quantity(parse_size_bytes, "size", "10 KB"))]
Duration = Annotated[
    float, BeforeValidator(_quantity(parse_duration_s, "duration", "20 ms")), AfterValidator(_of_this_world_s)
]
PositiveDuration = Annotated[Duration, AfterValidator(_above_zero)]
WholeSeconds = Annotated[Duration, AfterValidator(_whole_seconds)]
WholeMilliseconds = Annotated[Duration, AfterValidator(_whole_milliseconds)]
Loss = Annotated[float, BeforeValidator(_quantity(parse_share, "share", "1 %")), AfterValidator(_not_everything)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Servers = Annotated[int, Field(ge=1, le=MAX_SERVERS)]
Concurrency = Annotated[int, Field(ge=1, le=MAX_AB_CONCURRENCY)]
PathManagerLimit = Annotated[int, Field(ge=0, le=MAX_PATH_MANAGER_LIMIT)]
Protocol = Literal["tcp", "mptcp"]
Clock = Literal["virtual", "real"]
Endpoint = Literal["none", "subflow", "fullmesh"]
Direction = Literal["download", "upload"]
DroppedPacket = Literal["add-addr", "add-addr-echo", "mp-prio", "join-syn", "join-syn-ack"]
SysctlKey = Annotated[str, AfterValidator(_sysctl_key)]
SysctlEntry = Annotated[int | str | dict[str, Any], BeforeValidator(_sysctl_entry)]
Text = Annotated[str, AfterValidator(_one_line)]
Delay = Annotated[Duration, AfterValidator(_of_a_link)]
PageSize = Annotated[Size, AfterValidator(_of_a_page)]

# TOML has lists only, and a strict tuple would refuse one; what is inside stays strict.
Protocols = Annotated[tuple[Protocol, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]
Clocks = Annotated[tuple[Clock, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]
Sizes = Annotated[tuple[PageSize, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]


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
