"""`PointSummary`, the figures of one point, and `summary.json`, the list of them (documented in README.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import FailFast, ValidationError
from pydantic.dataclasses import dataclass

from analysis.flows.joins import Joins, Waits
from testbed.base.errors import AnalysisError
from testbed.base.traits import Traits
from testbed.record import legacy, reading
from testbed.record import writing as output
from testbed.record.model import CONFIG, Count, Flag, Quantity, Record, Seed, Text, Texts, problem
from testbed.record.point_id import is_point_id
from testbed.record.syns import Tally

SUMMARY_VERSION = 1
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True, config=CONFIG)
class Churn:
    """A change of servers, directors or paths, `t` seconds after the workload's start; `server`: whom it is about.

    `resets` is counted from the table of RSTs; None in a summary that is older than that.
    """

    t: Quantity
    event: Text
    server: Text
    resets: Count | None = None


@dataclass(frozen=True, config=CONFIG)
class SecondBySecond:
    """Anycast points: one value per whole second of the workload, and the churn in it."""

    utilisation_bps: tuple[Count, ...]
    resets: tuple[Count, ...]
    resets_received: tuple[Count, ...]
    churn: tuple[Churn, ...]


@dataclass(frozen=True, config=CONFIG)
class FailedRequests:
    """ab's failure counters as printed; they count events, several for one broken request."""

    reported: Count
    connect: Count
    receive: Count
    length: Count
    exceptions: Count


@dataclass(frozen=True, config=CONFIG)
class ServerChange:
    """A change of the pool or of the directors, `t` seconds after the workload's start, of a server or director.

    `broken` are the downloads under way at it that broke before the next one, `broken_joined` those among them that had
    a second subflow by then, `broken_new` those that were begun after it and broke before the next one.
    """

    t: Quantity
    event: Text
    node: Text
    broken: Count
    broken_joined: Count = 0
    broken_new: Count = 0


@dataclass(frozen=True, config=CONFIG)
class Balancing:
    """How a service was balanced, and what changes broke (`analysis.summary.balancing` has the definitions).

    `broken` are all broken downloads, `broken_before` those before any change, `under_way` the connections open at the
    first one, `joined` those among them whose second subflow was confirmed by then. The directors' figures are of
    points that recorded them: IP bytes in each direction, of all directors together, and the most entries of
    connections.
    """

    changes: tuple[ServerChange, ...] = ()
    broken: Count = 0
    broken_before: Count = 0
    under_way: Count | None = None
    joined: Count | None = None
    imbalance_connections: Quantity | None = None
    imbalance_bytes: Quantity | None = None
    recovery_s: Quantity | None = None
    director_bytes_to_servers: Count | None = None
    director_bytes_to_clients: Count | None = None
    director_entries: Count | None = None


@dataclass(frozen=True, config=CONFIG)
class Rerouting:
    """A change `t` seconds after the workload's start, and what became of the routes and the downloads.

    After `rerouted_s` the client's router had another route to the service, and after `unique_rerouted_s` to the own
    address of `server`, to which new connections came until then (None: not before the next change). `under_way` are
    the connections that were open at that server when the route to the service moved, `joined` those among them with a
    confirmed second subflow, `broken` and `broken_joined` those that broke before the next change.

    Of `strays` subflows packets came to another server; `answered` were told so by a RST. The first such packet left
    the client `waited_s` after the route had moved (least, median, most). Of `explained` strays it was data of the
    client's own, its FIN, or an answer to what the old server sent, which left at most `lag_s` after what it answers
    had arrived. `repeats` are those among them in which somebody retransmitted: the old server, or the client.
    """

    t: Quantity
    event: Text
    link: Text
    server: Text = ""
    rerouted_s: Quantity | None = None
    unique_rerouted_s: Quantity | None = None
    under_way: Count = 0
    joined: Count = 0
    broken: Count = 0
    broken_joined: Count = 0
    strays: Count = 0
    answered: Count = 0
    explained: Count = 0
    repeats: Count = 0
    waited_s: tuple[Quantity, Quantity, Quantity] | None = None
    lag_s: Quantity | None = None


@dataclass(frozen=True, config=CONFIG)
class Bottleneck:
    """How a link in real time kept its rate: `full_s` seconds were judged, in stretches of `stretch_s`."""

    name: Text
    rate_bps: Quantity
    full_s: Count
    stretch_s: Quantity
    spacing_error: Quantity | None
    peak_share: Quantity | None


@dataclass(frozen=True, config=CONFIG)
class Fidelity:
    """Whether a measurement in real time can be believed; `problems` is empty if so."""

    idle_share_min: Quantity | None
    bottlenecks: tuple[Bottleneck, ...]
    capture_drops: Count
    problems: Texts


@dataclass(frozen=True, config=CONFIG)
class HeadOfLine:
    """How long bytes waited for those before them: the share that did, the mean and the longest wait of these, the
    share of the waiting that was for the initial subflow, the largest reordering buffer.
    """

    late_share: Quantity
    wait_mean_s: Quantity | None
    wait_most_s: Quantity | None
    behind_initial: Quantity | None
    buffer_most: Count


@dataclass(frozen=True, config=CONFIG)
class ResetReason:
    """So many RSTs with a cause (empty: they are in no capture of the client's) and the kernel's own reason."""

    cause: Text
    reason: Text
    specific: Flag
    agrees: Flag | None
    count: Count


@dataclass(frozen=True, config=CONFIG)
class PointSummary:
    """The figures of one point; None is a figure that could not be had. README.md has the meaning of each.

    `parts` are the names of the experiment's parts, by their kind: nothing here depends on them.
    """

    id: Text
    experiment: Text = ""
    figure: Text = ""
    title: Text = ""
    plot: Text = ""
    parts: Mapping[str, Text] = field(default_factory=dict)
    scheme: Text = ""
    variant: Text = ""
    condition: Text = ""
    conditions: Mapping[str, Text] = field(default_factory=dict)
    sweep: Mapping[str, object] = field(default_factory=dict)
    protocol: Text = ""
    clock: Text = ""
    profile: Text = ""
    kernel: Text = ""
    object_bytes: Count = 0
    seed: Seed = 0
    parameters: Mapping[str, object] = field(default_factory=dict)
    goodput_bps: Quantity | None = None
    wire_limit_bps: Quantity | None = None
    meanwhile_goodput_bps: Quantity | None = None
    requests_per_s: Quantity | None = None
    complete_requests: Count | None = None
    failed_requests: Count | None = None
    ab_failures: FailedRequests | None = None
    connections: Count | None = None
    joined: Count | None = None
    joins: Joins | None = None
    injected_drops: Count | None = None
    director_bypass_share: Quantity | None = None
    resets: Count | None = None
    resets_received: Count | None = None
    virtual_s: Quantity | None = None
    wall_s: Quantity | None = None
    shared_boot: Count = 0
    valid: Flag = False
    invalid_reasons: Texts = ()
    per_second: SecondBySecond | None = None
    waits: Waits | None = None
    fidelity: Fidelity | None = None
    balancing: Balancing | None = None
    syns: tuple[Tally, ...] = ()
    half_open: Count | None = None
    protection: Mapping[str, Count] = field(default_factory=dict)
    head_of_line: HeadOfLine | None = None
    reset_reasons: tuple[ResetReason, ...] = ()
    reroutings: tuple[Rerouting, ...] = ()
    disagreements: Texts = ()
    traits: Traits = field(default_factory=Traits)


class _File(Record):
    """`summary.json` as a whole."""

    version: int
    points: Annotated[tuple[PointSummary, ...], FailFast()]


def write_json(run_dir: Path, points: Sequence[PointSummary]) -> Path:
    """Write `summary.json` in a run directory, whole or not at all; raises AnalysisError where it cannot."""
    document = _File(version=SUMMARY_VERSION, points=tuple(points)).fields()
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
        given = {**document, "points": _of_today(document.get("points"))}
        found = _File.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        raise AnalysisError(f"{path}: not a summary: {problem(error)}") from error
    for point in found.points:
        if not is_point_id(point.id):
            raise AnalysisError(f"{path}: not a summary: {reading.shown(point.id)} cannot name a point")
        series = point.per_second
        if series and len({len(series.utilisation_bps), len(series.resets), len(series.resets_received)}) != 1:
            raise AnalysisError(f"{path}: not a summary: {point.id}: its seconds are not the same in every row")
    return list(found.points)


def _of_today(given: object) -> object:
    """The points of the formats before have a scenario instead of parts, and some of them no traits."""
    return [legacy.summary_of_today(raw) for raw in given] if isinstance(given, list) else given
