"""The values of an experiment's file: quantities with their units, names and sysctls, each within bounds.

A rate, size, duration or share is a text with a unit there and a plain number here: bit/s, bytes, seconds, shares of 1.
All raise ValueError with what is wrong; pydantic puts the place before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

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
