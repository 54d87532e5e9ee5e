"""The axes of a sweep as its points have them: each value a number in its base unit, or one of several texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.summary.model import PointSummary
from testbed.base.units import parse_any


@dataclass(frozen=True)
class Axis:
    """A setting that was swept: its key in the file, the base unit of its values (`s`, `bps`, `bytes`, `share`; empty
    for numbers without), and whether they are numbers at all."""

    key: str
    unit: str
    is_number: bool

    @property
    def column(self) -> str:
        """What it is called in a table: the key's words, and the unit."""
        return "_".join(filter(None, (self.key.replace(".", "_").replace("-", "_"), self.unit)))

    @property
    def name(self) -> str:
        """What it is called in a figure: the last two words of the key."""
        return " ".join(self.key.split(".")[-2:]).replace("_", " ")

    def text_of(self, point: PointSummary) -> str:
        """The point's value as the file says it."""
        value = point.sweep.get(self.key)
        return value if isinstance(value, str) else json.dumps(value)

    def number_of(self, point: PointSummary) -> float | None:
        """The point's value as a number in the base unit; None where it is none."""
        found = _number(point.sweep.get(self.key))
        return found[0] if found else None


def axes_of(points: Sequence[PointSummary]) -> list[Axis]:
    """The axes of the points' sweeps, in the order of the file."""
    found = []
    for key in dict.fromkeys(key for point in points for key in point.sweep):
        numbers = [_number(point.sweep[key]) for point in points if key in point.sweep]
        units = {number[1] for number in numbers if number}
        is_number = None not in numbers and len(units) == 1
        found.append(Axis(key, units.pop() if is_number else "", is_number))
    return found


def _number(value: object) -> tuple[float, str] | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value), ""
    return parse_any(value) if isinstance(value, str) else None
