"""`PointSummary`, the figures of one point, and `summary.json`, the list of them (documented in README.md)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis import output, reading
from analysis.errors import AnalysisError

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
class Joins:
    """MP_JOINs that the client asked for: accepted by a SYN+ACK, refused, neither; `reset`: accepted, then reset."""

    asked: int
    accepted: int
    refused: int
    unanswered: int
    reset: int


@dataclass(frozen=True)
class Waits:
    """Ablation points: sorted seconds, one value for each of `connections` that got so far."""

    connections: int
    join_wait_s: tuple[float, ...]
    bypass_wait_s: tuple[float, ...]


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
    """The figures of one point; None is a figure that could not be had. README.md has the meaning of each."""

    id: str
    experiment: str = ""
    figure: str = ""
    title: str = ""
    plot: str = ""
    scenario: str = ""
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


def write_json(run_dir: Path, points: Sequence[PointSummary]) -> Path:
    """Write `summary.json` in a run directory, whole or not at all; raises AnalysisError where it cannot."""
    document = {"version": SUMMARY_VERSION, "points": [dataclasses.asdict(point) for point in points]}
    return output.write_text(run_dir / SUMMARY_FILE, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_summary(run_dir: Path) -> list[PointSummary]:
    """The points of a run's `summary.json`; raises AnalysisError also for one of another version."""
    path = run_dir / SUMMARY_FILE
    if not reading.is_there(path):
        raise AnalysisError(f"{path}: no such file", hint="analyse the run first")
    document = reading.parse(reading.read_text(path), str(path))
    version = document.get("version") if isinstance(document, dict) else None
    if version != SUMMARY_VERSION:
        raise AnalysisError(f"{path}: version {version!r}, but this toolkit reads version {SUMMARY_VERSION}")
    try:
        return [_point(raw) for raw in document["points"]]
    except (KeyError, TypeError) as error:
        raise AnalysisError(f"{path}: not a summary: {error}") from error


def _point(raw: dict[str, object]) -> PointSummary:
    fields = dict(raw)
    series = fields.get("per_second")
    if isinstance(series, dict):
        fields["per_second"] = SecondBySecond(
            utilisation_bps=tuple(series["utilisation_bps"]),
            resets=tuple(series["resets"]),
            resets_received=tuple(series["resets_received"]),
            churn=tuple(Churn(**event) for event in series["churn"]),
        )
    failures = fields.get("ab_failures")
    if isinstance(failures, dict):
        fields["ab_failures"] = FailedRequests(**failures)
    joins = fields.get("joins")
    if isinstance(joins, dict):
        fields["joins"] = Joins(**joins)
    waits = fields.get("waits")
    if isinstance(waits, dict):
        times = (tuple(waits[name]) for name in ("join_wait_s", "bypass_wait_s"))
        fields["waits"] = Waits(waits["connections"], *times)
    fidelity = fields.get("fidelity")
    if isinstance(fidelity, dict):
        fields["fidelity"] = Fidelity(
            idle_share_min=fidelity["idle_share_min"],
            bottlenecks=tuple(Bottleneck(**link) for link in fidelity["bottlenecks"]),
            capture_drops=fidelity["capture_drops"],
            problems=tuple(fidelity["problems"]),
        )
    reasons = fields.get("invalid_reasons")
    fields["invalid_reasons"] = tuple(str(reason) for reason in reasons) if isinstance(reasons, list) else ()
    return PointSummary(**fields)  # type: ignore[arg-type]
