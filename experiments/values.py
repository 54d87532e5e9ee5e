"""The values of an experiment's file that are no quantities: names, choices and sysctls, each within bounds.

All raise ValueError with what is wrong; pydantic puts the place before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from testbed.base.quantities import Size, distinct
from testbed.base.text import plain

# What an experiment *is*; an override that changed it would make another one.
IDENTITY = ("version", "name", "figure", "title", "plot", "schemes")

OWN_KEYS: Mapping[str, tuple[str, ...]] = {"variant": ("name", "scheme"), "condition": ("name", "axis", "without")}
"""What these tables have besides the settings that they override."""

MAX_OCCURRENCE = 1000
MAX_SYSCTL_TEXT = 200
MAX_FIGURE = 16
MAX_TITLE = 200
LEAST_TRACE_BYTES, MOST_TRACE_BYTES = 10**6, 2 * 10**9

SYSCTL_ROLES = ("client", "server", "director", "router")
"""Tables below `[sysctl]`: whose sysctls these are (`experiments.sysctls`)."""

_SYSCTL_NAME = re.compile(r"^net(\.[A-Za-z0-9_-]+){2,}$")

_SYSCTL_SCHEMA: dict[str, Any] = {
    "title": "a sysctl's name",
    "description": "A sysctl below `net`, its name in quotes.",
    "type": ["integer", "string"],
    "minLength": 1,
    "maxLength": MAX_SYSCTL_TEXT,
}
_SYSCTLS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "patternProperties": {_SYSCTL_NAME.pattern: _SYSCTL_SCHEMA},
    "additionalProperties": False,
}
_ROLES_SCHEMA = {role: {**_SYSCTLS_SCHEMA, "description": f"Those of a {role} alone."} for role in SYSCTL_ROLES}


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
    if name in SYSCTL_ROLES:
        return name
    if "." not in name:
        roles = ", ".join(SYSCTL_ROLES)
        raise ValueError(
            f'{name!r} is neither a role ({roles}) nor a sysctl\'s name in quotes, such as "net.ipv4.tcp_rmem"'
        )
    return sysctl_name(name)


def _sysctl_entry(value: object) -> object:
    return value if isinstance(value, dict) else sysctl_value(value)


def _of_a_guest(value: int) -> int:
    if not LEAST_TRACE_BYTES <= value <= MOST_TRACE_BYTES:
        least, most = LEAST_TRACE_BYTES // 10**6, MOST_TRACE_BYTES // 10**6
        raise ValueError(f"{value} bytes: a trace's buffer has {least} MB at least, {most} MB at most")
    return value


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
Protocol = Literal["tcp", "mptcp"]
Clock = Literal["virtual", "real"]
DroppedPacket = Literal["add-addr", "add-addr-echo", "mp-prio", "join-syn", "join-syn-ack"]
TraceGroup = Literal["resets", "retransmissions", "probes", "mptcp"]
TraceBuffer = Annotated[Size, AfterValidator(_of_a_guest)]
SysctlKey = Annotated[str, AfterValidator(_sysctl_key)]
SysctlEntry = Annotated[int | str | dict[str, Any], BeforeValidator(_sysctl_entry)]
Sysctls = Annotated[dict[SysctlKey, SysctlEntry], WithJsonSchema({**_SYSCTLS_SCHEMA, "properties": _ROLES_SCHEMA})]

# TOML has lists only, and a strict tuple would refuse one; what is inside stays strict.
_DISTINCT = Field(strict=False, min_length=1, json_schema_extra={"uniqueItems": True})
TraceGroups = Annotated[
    tuple[TraceGroup, ...],
    Field(strict=False, json_schema_extra={"uniqueItems": True}),
    AfterValidator(distinct),
]
Protocols = Annotated[tuple[Protocol, ...], _DISTINCT, AfterValidator(distinct)]
Clocks = Annotated[tuple[Clock, ...], _DISTINCT, AfterValidator(distinct)]
Schemes = Annotated[tuple[str, ...], _DISTINCT, AfterValidator(distinct)]
