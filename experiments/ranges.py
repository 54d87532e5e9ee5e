"""A range of values of a setting: from one to another, both quantities of one unit or both plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.document import Document
from experiments.toml_source import KeyPath

MOST_STEPS = 1000
_KEYS = {"from", "to", "steps", "scale"}
_SCALES = ("linear", "log")
_QUANTITY = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*(\S.*?)\s*")


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, in `unit` (empty for plain numbers, which stay whole if both ends are)."""

    low: float
    high: float
    unit: str
    steps: int | None
    is_log: bool
    is_whole: bool

    def at(self, share: float) -> str | int | float:
        """The value so far along, 0 to 1, as the file would say it."""
        if self.is_log:
            number = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            number = self.low + share * (self.high - self.low)
        if self.unit:
            return f"{_plain(number)} {self.unit}"
        return round(number) if self.is_whole else float(f"{number:.6g}")


def _plain(number: float) -> str:
    """Six digits, without an exponent: no quantity has one."""
    text = f"{number:.6g}"
    return text if "e" not in text else f"{float(text):.12f}".rstrip("0").rstrip(".")


def is_range(table: Mapping[str, Any]) -> bool:
    """Whether a table is a range, and no table of settings."""
    return "from" in table or "to" in table


def range_at(document: Document, place: KeyPath, key: str, table: Mapping[str, Any]) -> Range:
    """The range that a table says; raises ConfigError (UsageError for an option)."""

    def wrong(what: str, hint: str = "") -> Exception:
        return document.error(place, f"sweep.axes: {key}: {what}", hint=hint)

    for name in table:
        if name not in _KEYS:
            raise wrong(f"unknown key {name!r} of a range", "from, to, steps, scale")
    if not {"from", "to"} <= table.keys():
        raise wrong("a range has both ends: from, to")
    steps, scale = table.get("steps"), table.get("scale", "linear")
    if steps is not None and (type(steps) is not int or not 2 <= steps <= MOST_STEPS):
        raise wrong(f"steps is a whole number from 2 to {MOST_STEPS}")
    if scale not in _SCALES:
        raise wrong(f"scale is one of {', '.join(_SCALES)}")
    low, low_unit = _parsed(table["from"])
    high, high_unit = _parsed(table["to"])
    if low is None or high is None:
        raise wrong("the ends of a range are numbers, or quantities with a unit", 'from = "1 ms", to = "10 ms"')
    if low_unit != high_unit:
        raise wrong(f"both ends in one unit, not in {low_unit or 'none'} and {high_unit or 'none'}")
    if low >= high:
        raise wrong("from is below to")
    if scale == "log" and low <= 0:
        raise wrong("a logarithmic scale begins above 0")
    whole = type(table["from"]) is int and type(table["to"]) is int
    return Range(low, high, low_unit, steps, scale == "log", whole)


def _parsed(value: object) -> tuple[float | None, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (float(value), "") if math.isfinite(value) else (None, "")
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) < 60 else None
    return (float(match[1]), match[2]) if match else (None, "")
