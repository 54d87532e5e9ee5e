"""Which points speak on a claim, and estimates from them: means over seeds, Wilson intervals of shares.

A point speaks only if it is valid and has the settings of the paper's figure; a run with `--set` may have the
figure's number and be another experiment. Of MPTCP only points of schemes speak, each for its own: `analysis.claims`
judges one scheme at a time. Where there are points of the `paper` profile, those of others are
left aside. Points of one seed are no repeats of each other in virtual time: repeats are seeds.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from analysis.claims.model import PAPER, CannotBeJudged, Check, Estimate, NoSuchPoint
from analysis.summary.curves import protocol_name
from analysis.summary.model import PointSummary

Value = Callable[[PointSummary], float | None]

# What the paper's idea is without which: what a point of MPTCP must have had switched on.
_IDEA: Mapping[str, object] = {"add_addr": True, "deny_join": True, "drop_packet": "none"}
# And what of the schemes that have a name of ours, whoever has called them so.
_SCHEMES: Mapping[str, Mapping[str, object]] = {
    PAPER: {"add_addr_resend_interval_s": 0.01, "lb_mode": "backup", "cwnd_push": "all"},
    "": {"initial_backup": True},
}
_UNSAID = {"drop_packet": "none"}
# What may differ between points that are compared or pooled: how much was transferred.
_AMOUNTS = frozenset({"requests"})
_Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Wanted:
    """The points of one figure and protocol in one clock; `settings` are parameters that they must have."""

    figure: str
    protocol: str
    settings: Mapping[str, object]
    clock: str = "virtual"
    experiment: str = ""

    @property
    def name(self) -> str:
        """The figure (or experiment) and protocol in words."""
        which = f"Fig. {self.figure}" if self.figure else self.experiment
        return f"{which}, {protocol_name(self.protocol, self.clock)}"


def find(points: Sequence[PointSummary], wanted: Wanted) -> dict[int, list[PointSummary]]:
    """The points that speak, by object size, one a seed; raises CannotBeJudged when there are none."""
    mine = [point for point in points if _is_of(point, wanted)]
    if not mine:
        raise NoSuchPoint(f"no such point: {wanted.name}")
    right = [point for point in mine if not _differing(point, _required(point, wanted))]
    if not right:
        required = _required(mine[0], wanted)
        name, value = _differing(mine[0], required)[0]
        raise CannotBeJudged(f"{wanted.name}: other settings than the paper's: {name} is {value}, not {required[name]}")
    by_size: dict[int, list[PointSummary]] = defaultdict(list)
    for point in valid_of(right, wanted.name):
        by_size[point.object_bytes].append(point)
    chosen = {size: _one_a_seed(_fullest(members)) for size, members in sorted(by_size.items())}
    if len({_settings(point) for members in chosen.values() for point in members}) > 1:
        raise CannotBeJudged(f"{wanted.name}: points of different settings; judge their runs one by one")
    return chosen


def valid_of(points: Sequence[PointSummary], what: str) -> list[PointSummary]:
    """Those that are valid, of points of `what`; raises CannotBeJudged, with a reason, when none is."""
    valid = [point for point in points if point.valid]
    if not valid:
        reason = next((reason for point in points for reason in point.invalid_reasons), "no reason given")
        raise CannotBeJudged(f"{what}: no valid point: {reason}")
    return valid


def speaking(mine: Sequence[PointSummary], what: str, settings: Mapping[str, object]) -> list[PointSummary]:
    """The valid points of `what`, of those that have an experiment's own settings; raises as `find`."""
    if not mine:
        raise NoSuchPoint(f"no such point: {what}")
    right = [point for point in mine if all(point.parameters.get(name) == each for name, each in settings.items())]
    if not right:
        raise CannotBeJudged(f"{what}: other settings than the experiment's")
    return valid_of(right, what)


def over_seeds(values: Mapping[int, float], unit: str) -> Estimate:
    """Mean of one value per seed, and their spread."""
    found = list(values.values())
    basis = "one seed" if len(found) == 1 else f"{len(found)} seeds"
    return Estimate(value=fmean(found), low=min(found), high=max(found), unit=unit, basis=basis)


def by_seed(points: Sequence[PointSummary], value: Value) -> dict[int, float]:
    """A value of each point that has one, by its seed."""
    found = {point.seed: value(point) for point in points}
    return {seed: each for seed, each in found.items() if each is not None}


def ratios(points: Sequence[PointSummary], others: Sequence[PointSummary], value: Value) -> dict[int, float]:
    """A value divided by that of another point with the same seed."""
    ours, theirs = by_seed(points, value), by_seed(others, value)
    return {seed: ours[seed] / theirs[seed] for seed in ours if theirs.get(seed)}


def wilson(hits: int, trials: int, unit: str = "%") -> Estimate:
    """A share with its 95 % interval after Wilson (1927), in percent; raises CannotBeJudged for no share."""
    if not 0 <= hits <= trials or not trials:
        raise CannotBeJudged(f"{hits} of {trials} is no share")
    share, square = hits / trials, _Z_95**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z_95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    # At the ends the formula gives the end itself, but for rounding.
    low, high = (0.0 if hits == 0 else low), (1.0 if hits == trials else high)
    return Estimate(
        value=share * 100, low=low * 100, high=high * 100, unit=unit, basis=f"{hits} of {trials}, 95 % interval"
    )


def share(label: str, hits: int, trials: int, *, bound: str, holds: bool, why: str) -> Check:
    """A share of at most all, or why there is nothing of which it could be one."""
    if not trials:
        return Check(label, None, bound=bound, holds=None, why=why)
    return Check(label, wilson(min(hits, trials), trials), bound, holds)


def every_used_connection_joined(points: Sequence[PointSummary], label: str) -> Check:
    """Whether no more connections lack a second subflow than `ab` opened without using them; pooled over seeds."""
    bound = "all but those that ab never used"
    known = [
        (point.connections, point.joined, point.complete_requests)
        for point in points
        if point.connections is not None and point.joined is not None and point.complete_requests is not None
    ]
    connections, joined, requests = (sum(each) for each in zip(*known, strict=True)) if known else (0, 0, 0)
    if not connections:
        return Check(label, None, bound=bound, holds=None, why="no connection was counted")
    return Check(label, wilson(joined, connections), bound, connections - joined <= max(connections - requests, 0))


def within(
    label: str,
    values: Mapping[int, float],
    unit: str,
    bound: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float | None = None,
    below: float | None = None,
) -> Check:
    """Whether one value per seed lies within bounds; seeds on both sides of one cannot tell.

    It may be `low` and `high` themselves, and must be `above` and `below` the others.
    """
    if not values:
        return Check(label, None, bound=bound, holds=None, why="not measured")
    estimate = over_seeds(values, unit)
    kept = [
        low <= value <= high and (above is None or value > above) and (below is None or value < below)
        for value in values.values()
    ]
    if all(kept) or not any(kept):
        return Check(label, estimate, bound, all(kept))
    return Check(label, estimate, bound=bound, holds=None, why=f"the seeds disagree: {estimate}, bound {bound}")


def same(
    label: str, points: Sequence[PointSummary], others: Sequence[PointSummary], value: Value, percent: float
) -> Check:
    """Whether a value is that of other points with the same seeds, but for so many percent."""
    shares = {seed: 100 * each for seed, each in ratios(points, others, value).items()}
    low, high = 100 - percent, 100 + percent
    return within(label, shares, "%", f"{low:g} to {high:g} %", low=low, high=high)


def per_size(
    found: Mapping[int, Sequence[PointSummary]], sizes: Sequence[int], check: Callable[[str, int], Check], bound: str
) -> list[Check]:
    """A check for each of the sizes; one that cannot be made for a size that was not measured."""
    return [
        check(size_name(size), size)
        if size in found
        else Check(size_name(size), None, bound=bound, holds=None, why="no valid point")
        for size in sizes
    ]


def size_name(size_bytes: int) -> str:
    """`500 KB`, `1 MB`, `100 MB`."""
    if size_bytes % 10**6 == 0:
        return f"{size_bytes // 10**6} MB"
    return f"{size_bytes / 1000:g} KB"


def goodput_mbps(point: PointSummary) -> float | None:
    """The point's goodput in Mbit/s."""
    return None if point.goodput_bps is None else point.goodput_bps / 1e6


def bypass_percent(point: PointSummary) -> float | None:
    """The share of the payload that went past the director, in percent."""
    return None if point.director_bypass_share is None else point.director_bypass_share * 100


def _is_of(point: PointSummary, wanted: Wanted) -> bool:
    same = (point.figure, point.protocol, point.clock) == (wanted.figure, wanted.protocol, wanted.clock)
    return same and (bool(point.scheme) or not point.variant) and wanted.experiment in ("", point.experiment)


def _required(point: PointSummary, wanted: Wanted) -> dict[str, object]:
    if wanted.protocol != "mptcp":
        return dict(wanted.settings)
    return {**wanted.settings, **_IDEA, **_SCHEMES.get(point.scheme, {})}


def _differing(point: PointSummary, required: Mapping[str, object]) -> list[tuple[str, object]]:
    return [
        (name, "not given" if found is None else found)
        for name, value in required.items()
        if (found := point.parameters.get(name, _UNSAID.get(name))) != value
    ]


def _settings(point: PointSummary) -> str:
    return json.dumps({n: v for n, v in point.parameters.items() if n not in _AMOUNTS}, sort_keys=True, default=str)


def _fullest(points: Sequence[PointSummary]) -> list[PointSummary]:
    paper = [point for point in points if point.profile == "paper"]
    return paper or list(points)


def _one_a_seed(points: Sequence[PointSummary]) -> list[PointSummary]:
    return list({point.seed: point for point in reversed(points)}.values())[::-1]
