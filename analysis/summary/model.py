"""`PointSummary`, the figures of one point, and `summary.json`, the list of them (documented in README.md)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from analysis.flows.joins import Joins, Waits
from testbed.base.errors import AnalysisError
from testbed.base.traits import Traits
from testbed.base.validation import first_problem
from testbed.record import legacy, reading
from testbed.record import writing as output
from testbed.record.point_id import is_point_id

SUMMARY_VERSION = 1
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Churn:
    """A server removed or added, `t` seconds after the workload's start."""

    t: float
    event: str
    server: str


@dataclass(frozen=True)
class SecondBySecond:
    """Anycast points: one value per whole second of the workload, and the churn in it."""

    utilisation_bps: tuple[int, ...]
    resets: tuple[int, ...]
    resets_received: tuple[int, ...]
    churn: tuple[Churn, ...]


@dataclass(frozen=True)
class FailedRequests:
    """ab's failure counters as printed; they count events, several for one broken request."""

    reported: int
    connect: int
    receive: int
    length: int
    exceptions: int


@dataclass(frozen=True)
class Bottleneck:
    """How a link in real time kept its rate: `full_s` seconds were judged, in stretches of `stretch_s`."""

    name: str
    rate_bps: float
    full_s: int
    stretch_s: float
    spacing_error: float | None
    peak_share: float | None


@dataclass(frozen=True)
class Fidelity:
    """Whether a measurement in real time can be believed; `problems` is empty if so."""

    idle_share_min: float | None
    bottlenecks: tuple[Bottleneck, ...]
    capture_drops: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class PointSummary:
    """The figures of one point; None is a figure that could not be had. README.md has the meaning of each.

    `parts` are the names of the experiment's parts, by their kind: nothing here depends on them.
    """

    id: str
    experiment: str = ""
    figure: str = ""
    title: str = ""
    plot: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    condition: str = ""
    protocol: str = ""
    clock: str = ""
    profile: str = ""
    object_bytes: int = 0
    seed: int = 0
    parameters: Mapping[str, object] = field(default_factory=dict)
    goodput_bps: float | None = None
    wire_limit_bps: float | None = None
    requests_per_s: float | None = None
    complete_requests: int | None = None
    failed_requests: int | None = None
    ab_failures: FailedRequests | None = None
    connections: int | None = None
    joined: int | None = None
    joins: Joins | None = None
    injected_drops: int | None = None
    director_bypass_share: float | None = None
    resets: int | None = None
    resets_received: int | None = None
    virtual_s: float | None = None
    wall_s: float | None = None
    valid: bool = False
    invalid_reasons: tuple[str, ...] = ()
    per_second: SecondBySecond | None = None
    waits: Waits | None = None
    fidelity: Fidelity | None = None
    traits: Traits = field(default_factory=Traits)


def write_json(run_dir: Path, points: Sequence[PointSummary]) -> Path:
    """Write `summary.json` in a run directory, whole or not at all; raises AnalysisError where it cannot."""
    document = {"version": SUMMARY_VERSION, "points": [_plain(point) for point in points]}
    return output.write_text(run_dir / SUMMARY_FILE, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_summary(run_dir: Path) -> list[PointSummary]:
    """The points of a run's `summary.json`; raises AnalysisError also for one of another version."""
    path = run_dir / SUMMARY_FILE
    if not reading.is_there(path):
        raise AnalysisError(f"{path}: no such file", hint="analyse the run first")
    document = reading.parse(reading.read_text(path), str(path))
    version = document.get("version") if isinstance(document, dict) else None
    if version != SUMMARY_VERSION:
        raise AnalysisError(
            f"{path}: version {reading.shown(version)}, but this toolkit reads version {SUMMARY_VERSION}"
        )
    try:
        given = _of_today(document.get("points"))
        points: list[PointSummary] = _POINTS.validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        raise AnalysisError(f"{path}: not a summary: {first_problem(error, 'points')}") from error
    for point in points:
        if not is_point_id(point.id):
            raise AnalysisError(f"{path}: not a summary: {reading.shown(point.id)} cannot name a point")
        series = point.per_second
        if series and len({len(series.utilisation_bps), len(series.resets), len(series.resets_received)}) != 1:
            raise AnalysisError(f"{path}: not a summary: {point.id}: its seconds are not the same in every row")
        if (key := _out_of_range(_plain(point) | {"seed": 0, "parameters": {}})) is not None:
            raise AnalysisError(f"{path}: not a summary: {point.id}: {key} is beyond all bounds")
    return points


def _of_today(given: object) -> object:
    """The points of the formats before have a scenario instead of parts, and some of them no traits."""
    return [legacy.summary_of_today(raw) for raw in given] if isinstance(given, list) else given


def _plain(point: PointSummary) -> dict[str, object]:
    return dataclasses.asdict(point) | {"traits": point.traits.model_dump(mode="json")}


_POINTS = TypeAdapter(list[PointSummary])
_LARGEST = 1e15  # of bits, bytes, seconds: nothing here comes near, and a figure of it could not be drawn


def _out_of_range(value: object, key: str = "it") -> str | None:
    """The name of a number that is too large in what a point says."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return None if abs(value) <= _LARGEST else key
    if isinstance(value, dict):
        return next((found for name, each in value.items() if (found := _out_of_range(each, name)) is not None), None)
    if isinstance(value, list | tuple):
        return next((found for each in value if (found := _out_of_range(each, key)) is not None), None)
    return None
