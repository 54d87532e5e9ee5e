"""Quantities with units, parsed once at the edge: everywhere else they are plain numbers.

A text without a unit is refused: `100` says nothing, `100 Mbit/s` does. Decimal prefixes are
powers of 1000 (`KB`, `Mbit/s`), binary ones powers of 1024 (`KiB`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_NUMBER = re.compile(r"^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*(\S.*?)?\s*$")
_MOST_CHARACTERS = 60
"""Of a quantity; one with hundreds of digits is a mistake, and no number that others can count with."""

_MOST = (1 << 63) - 1
_NS = 10**9

_RATES = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9}
_SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_TIMES = {"us": Fraction(1, 10**6), "ms": Fraction(1, 10**3), "s": Fraction(1), "min": Fraction(60)}
_SHARES = {"%": Fraction(1, 100)}


def _parse(text: str, units: dict[str, int] | dict[str, Fraction], what: str) -> Fraction:
    names = ", ".join(units)
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"{text[:20]!r}... has {len(text)} characters, too many for a {what}")
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a {what}: write a number and a unit ({names})")
    number, unit = match.groups()
    if unit is None:
        raise ValueError(f"{text!r} has no unit: a {what} is written with one of {names}")
    if unit not in units:
        raise ValueError(f"{unit!r} is not a unit of a {what}: use one of {names}")
    value = Fraction(number) * Fraction(units[unit])
    if abs(value) > _MOST:
        raise ValueError(f"{text!r}: no {what} is that large")
    return value


def _whole(value: Fraction, text: str, what: str, unit: str) -> int:
    if value.denominator != 1:
        raise ValueError(f"{text!r} is not a whole number of {unit}, which a {what} must be")
    return int(value)


def parse_rate_bps(text: str) -> int:
    """Bits per second of a text such as `100 Mbit/s`; raises ValueError unless it is above zero."""
    value = _whole(_parse(text, _RATES, "rate"), text, "rate", "bits per second")
    if value <= 0:
        raise ValueError(f"{text!r}: a rate must be above zero")
    return value


def parse_size_bytes(text: str) -> int:
    """Bytes of a text such as `10 KB` (10 000) or `10 KiB` (10 240); raises ValueError unless above zero."""
    value = _whole(_parse(text, _SIZES, "size"), text, "size", "bytes")
    if value <= 0:
        raise ValueError(f"{text!r}: a size must be above zero")
    return value


def parse_duration_s(text: str) -> float:
    """Seconds of a text such as `15 s` or `20 ms`; raises ValueError below zero, and for parts of a nanosecond.

    Nothing here is finer: netem and the clocks of the labs count in nanoseconds.
    """
    value = _parse(text, _TIMES, "duration")
    if value < 0:
        raise ValueError(f"{text!r}: a duration cannot be negative")
    _whole(value * _NS, text, "duration", "nanoseconds")
    return float(value)


def parse_share(text: str) -> float:
    """A share between 0 and 1 of a text such as `1 %`; raises ValueError outside 0 % to 100 %."""
    value = _parse(text, _SHARES, "share")
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r}: a share lies between 0 % and 100 %")
    return float(value)


def parse_any(text: str) -> tuple[float, str] | None:
    """The number and the base unit (`bps`, `bytes`, `s`, `share`) of a text in any unit; None for any other text."""
    kinds = ((_RATES, "bps"), (_SIZES, "bytes"), (_TIMES, "s"), (_SHARES, "share"))
    for units, base in kinds:
        try:
            return float(_parse(text, units, base)), base
        except ValueError:
            continue
    return None


def _format(value: float, units: dict[str, int], limit: str) -> str:
    best = next(iter(units))
    for name, factor in units.items():
        if abs(value) >= factor:
            best = name
        if name == limit:
            break
    return f"{value / units[best]:.4g} {best}"


def format_rate(rate_bps: float) -> str:
    """`100 Mbit/s` of 100 000 000."""
    return _format(rate_bps, _RATES, "Gbit/s")


def format_size(size_bytes: float) -> str:
    """`1 MB` of 1 000 000."""
    return _format(size_bytes, _SIZES, "GB")


def format_object_size(size_bytes: int) -> str:
    """A page size as the paper writes it: `10 KB`, `1000 KB`, `100 MB`."""
    return f"{size_bytes / 10**3:g} KB" if size_bytes <= 10**7 else f"{size_bytes / 10**6:g} MB"


def format_duration(duration_s: float) -> str:
    """`20 ms` of 0.02, `90 s` of 90."""
    if duration_s and duration_s < 1:
        return f"{duration_s * 1000:g} ms"
    return f"{duration_s:g} s"


@dataclass(frozen=True)
class Quantity:
    """A kind of quantity: what it is called, how its text is read, its units, and an example of it.

    `number` is a pattern of the numbers that it may have.
    """

    name: str
    parse: Callable[[str], float]
    units: Mapping[str, int | Fraction]
    example: str
    number: str

    def write(self, value: float) -> str:
        """The text that is read as `value`, exactly: `20 ms` of 0.02."""
        exact, units = Fraction(str(value)), [name for name in self.units if name not in _NEVER_WRITTEN]
        if exact == 0:
            return f"0 {self.example.split()[1]}"
        for unit in reversed(units):
            if (number := exact / self.units[unit]).denominator == 1:
                return f"{number} {unit}"
        return f"{float(exact / self.units[units[0]]):.15g} {units[0]}"

    def json_schema(self, number: str = "") -> dict[str, Any]:
        """The JSON Schema of its texts; `number` is a pattern instead of its own."""
        units = "|".join(re.escape(unit) for unit in self.units)
        pattern = rf"^\s*\+?{number or self.number}\s*({units})\s*$"
        examples = [self.example]
        return {"title": self.name, "type": "string", "pattern": pattern, "examples": examples}


# Nobody says a minute for 60 s, or counts in powers of 1024 what he can count in powers of 1000.
_NEVER_WRITTEN = ("min", "KiB", "MiB", "GiB")

_NOT_NEGATIVE = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
ABOVE_ZERO = rf"(?=[0-9.]*[1-9]){_NOT_NEGATIVE}"
"""The pattern of a number that is not 0."""
_UP_TO_100 = rf"(?=0*(100(\.0*)?|[0-9]{{0,2}}(\.[0-9]*)?)\s*%){_NOT_NEGATIVE}"

RATE = Quantity("rate", parse_rate_bps, _RATES, "100 Mbit/s", ABOVE_ZERO)
SIZE = Quantity("size", parse_size_bytes, _SIZES, "10 KB", ABOVE_ZERO)
DURATION = Quantity("duration", parse_duration_s, _TIMES, "20 ms", _NOT_NEGATIVE)
SHARE = Quantity("share", parse_share, _SHARES, "1 %", _UP_TO_100)

QUANTITIES = (RATE, SIZE, DURATION, SHARE)
"""Every kind of quantity."""
