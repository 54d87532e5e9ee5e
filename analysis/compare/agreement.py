"""Do two labs agree? The same points measured in both, quantity by quantity, against a stated tolerance.

Enters: the summaries of two runs of the same points. Leaves: `Agreement`, its JSON (`agreement.json`, described in
README.md) and its table. Points that differ in their seed only are pooled: their means are compared. A quantity that
agrees proves nothing if one of the measurements is invalid, so an invalid point is a disagreement by itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.summary.curves import curve_of
from analysis.summary.model import PointSummary
from analysis.summary.text import figure_order
from testbed.base.errors import AnalysisError
from testbed.record import writing as output

AGREEMENT_VERSION = 1
AGREEMENT_FILE = "agreement.json"


@dataclass(frozen=True)
class Quantity:
    """What is compared: how it is had from a point, its unit, how two values are compared, the usual tolerance.

    `relative`: the difference is in percent of the larger value; otherwise it is in the unit, percentage points.
    """

    name: str
    unit: str
    value: Callable[[PointSummary], float | None]
    relative: bool
    tolerance: float


def _per_connection(count: int | None, point: PointSummary) -> float | None:
    return count / point.connections if count is not None and point.connections else None


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(
        "goodput",
        "Mbit/s",
        value=lambda p: None if p.goodput_bps is None else p.goodput_bps / 1e6,
        relative=True,
        tolerance=10.0,
    ),
    Quantity("bypass", "%", value=lambda p: _percent(p.director_bypass_share), relative=False, tolerance=5.0),
    Quantity(
        "joins",
        "% of connections",
        value=lambda p: _percent(_per_connection(p.joined, p)),
        relative=False,
        tolerance=5.0,
    ),
    Quantity(
        "failures",
        "% of connections",
        value=lambda p: _percent(_per_connection(p.failed_requests, p)),
        relative=False,
        tolerance=10.0,
    ),
    Quantity("resets", "per connection", value=lambda p: _per_connection(p.resets, p), relative=True, tolerance=50.0),
)


@dataclass(frozen=True)
class Compared:
    """One quantity in both labs: means over the seeds, their difference (percent, or percentage points)."""

    quantity: str
    unit: str
    values: tuple[float | None, float | None]
    difference: float | None
    tolerance: float
    agrees: bool


@dataclass(frozen=True)
class Measured:
    """What one lab's points of a group are worth: seeds measured, why some are invalid, the least idle CPU."""

    lab: str
    clock: str
    seeds: int
    invalid_reasons: tuple[str, ...]
    idle_share_min: float | None


@dataclass(frozen=True)
class Group:
    """The points of both labs that differ in their seed only."""

    name: str
    experiment: str
    protocol: str
    object_bytes: int
    compared: tuple[Compared, ...]
    measured: tuple[Measured, Measured]

    @property
    def agrees(self) -> bool:
        """Whether every quantity agrees, and every point can be believed."""
        return all(each.agrees for each in self.compared) and not any(each.invalid_reasons for each in self.measured)


@dataclass(frozen=True)
class Agreement:
    """What became of the comparison of two labs."""

    labs: tuple[str, str]
    groups: tuple[Group, ...]

    @property
    def agrees(self) -> bool:
        """Whether the labs agree in everything."""
        return bool(self.groups) and all(group.agrees for group in self.groups)

    def problems(self) -> list[str]:
        """One line for each disagreement and each point that is not to be believed."""
        lines = []
        for group in self.groups:
            for each in group.compared:
                if not each.agrees:
                    ours, theirs = (_number(value) for value in each.values)
                    by = "one of them is missing" if each.difference is None else f"{each.difference:.1f} % apart"
                    lines.append(f"{group.name}: {each.quantity}: {ours} and {theirs} {each.unit}: {by}")
            for lab in group.measured:
                lines += [f"{group.name}: invalid in {lab.lab}: {reason}" for reason in lab.invalid_reasons]
        return lines


def tolerances(changes: Mapping[str, float]) -> dict[str, float]:
    """The tolerance of each quantity; raises AnalysisError for one that does not exist or cannot be."""
    usual = {quantity.name: quantity.tolerance for quantity in QUANTITIES}
    for name, value in changes.items():
        if name not in usual:
            raise AnalysisError(f"no quantity {name!r}", hint=f"the quantities are: {', '.join(usual)}")
        if not 0 <= value < float("inf"):
            raise AnalysisError(f"tolerance {name}={value:g}: not a percentage")
    return usual | dict(changes)


def compare(
    labs: tuple[str, str], ours: Sequence[PointSummary], theirs: Sequence[PointSummary], allowed: Mapping[str, float]
) -> Agreement:
    """Compare the points of two labs; raises AnalysisError if one has points that the other lacks."""
    left, right = _grouped(ours), _grouped(theirs)
    for name, mine, other in ((labs[0], left, right), (labs[1], right, left)):
        for key in mine:
            if key not in other:
                raise AnalysisError(f"{mine[key][0].id}: only lab {name} has such a point")
    groups = [_group(labs, left[key], right[key], allowed) for key in left]
    return Agreement(labs, tuple(groups))


def difference(values: tuple[float | None, float | None], *, relative: bool) -> float | None:
    """How far two values are apart: in percent of the larger, or as they are; None if one is missing."""
    first, second = values
    if first is None or second is None:
        return None
    apart = abs(first - second)
    if not relative:
        return apart
    largest = max(abs(first), abs(second))
    return 100 * apart / largest if largest else 0.0


def write_agreement(directory: Path, agreement: Agreement) -> list[Path]:
    """Write `agreement.json` and `agreement.txt`, each whole or not at all; raises AnalysisError."""
    groups = [{**dataclasses.asdict(group), "agrees": group.agrees} for group in agreement.groups]
    document = {
        "version": AGREEMENT_VERSION,
        "labs": list(agreement.labs),
        "agrees": agreement.agrees,
        "groups": groups,
    }
    paths = [directory / AGREEMENT_FILE, directory / "agreement.txt"]
    output.write_text(paths[0], json.dumps(document, indent=1, allow_nan=False) + "\n")
    output.write_text(paths[1], render(agreement))
    return paths


def render(agreement: Agreement) -> str:
    """The comparison as a table, with the problems below it."""
    rows: list[tuple[str, ...]] = [("", "quantity", *agreement.labs, "difference", "allowed", "")]
    for group in agreement.groups:
        for number, each in enumerate(group.compared):
            unit = "%" if _quantity(each.quantity).relative else "points"
            apart = "-" if each.difference is None else f"{each.difference:.1f} {unit}"
            verdict = "agree" if each.agrees else "DIFFER"
            values = (_number(value) for value in each.values)
            name = group.name if number == 0 else ""
            rows.append((name, f"{each.quantity} ({each.unit})", *values, apart, f"{each.tolerance:g} {unit}", verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(f"! {problem}" for problem in agreement.problems())]
    lines.append("the labs agree" if agreement.agrees else "the labs do not agree")
    return "\n".join(lines) + "\n"


_Key = tuple[str, str, str, str, int]


def _grouped(points: Sequence[PointSummary]) -> dict[_Key, list[PointSummary]]:
    groups: dict[_Key, list[PointSummary]] = {}
    for point in sorted(points, key=lambda p: (figure_order(p.figure, p.experiment), p.protocol != "tcp")):
        key = (point.experiment, point.condition, point.variant, point.protocol, point.object_bytes)
        groups.setdefault(key, []).append(point)
    return groups


def _group(
    labs: tuple[str, str], ours: Sequence[PointSummary], theirs: Sequence[PointSummary], allowed: Mapping[str, float]
) -> Group:
    first = ours[0]
    label = curve_of(first.variant, first.protocol, "virtual")
    parts = [first.experiment, first.condition, label, f"{first.object_bytes / 1000:g} KB"]
    compared = []
    for quantity in QUANTITIES:
        values = (_mean(quantity, ours), _mean(quantity, theirs))
        if values == (None, None):
            continue
        apart = difference(values, relative=quantity.relative)
        most = allowed[quantity.name]
        agrees = apart is not None and apart <= most
        compared.append(
            Compared(
                quantity=quantity.name,
                unit=quantity.unit,
                values=values,
                difference=apart,
                tolerance=most,
                agrees=agrees,
            )
        )
    measured = (_measured(labs[0], ours), _measured(labs[1], theirs))
    name = " ".join(part for part in parts if part)
    return Group(
        name=name,
        experiment=first.experiment,
        protocol=first.protocol,
        object_bytes=first.object_bytes,
        compared=tuple(compared),
        measured=measured,
    )


def _mean(quantity: Quantity, points: Sequence[PointSummary]) -> float | None:
    found = [value for value in map(quantity.value, points) if value is not None]
    return sum(found) / len(found) if len(found) == len(points) else None


def _measured(lab: str, points: Sequence[PointSummary]) -> Measured:
    reasons = tuple(dict.fromkeys(reason for point in points for reason in point.invalid_reasons))
    if not reasons and not all(point.valid for point in points):
        reasons = ("no reason given",)
    verdicts = [point.fidelity for point in points if point.fidelity]
    idle = [verdict.idle_share_min for verdict in verdicts if verdict.idle_share_min is not None]
    return Measured(
        lab=lab,
        clock=points[0].clock,
        seeds=len(points),
        invalid_reasons=reasons,
        idle_share_min=min(idle, default=None),
    )


def _quantity(name: str) -> Quantity:
    return next(quantity for quantity in QUANTITIES if quantity.name == name)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
