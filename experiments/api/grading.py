"""What a student's run is worth by a teacher's claims: on the run as it is, or on seeds that the student never saw."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import grade_file
from experiments.api.events import Listener, ignore
from experiments.grade_file import ClaimTable, GradeFile
from experiments.words import did_you_mean
from testbed.base.errors import RunInterrupted, UsageError
from testbed.labs import runtime_directory

if TYPE_CHECKING:
    from analysis.claims.model import Check, Finding
    from analysis.summary.model import PointSummary
    from experiments.api.places import Labs
    from testbed.record.point import Point

_SEED = re.compile(r"-seed\d+\Z")
_FIELDS = (
    "experiment", "figure", "scheme", "variant", "condition", "protocol", "clock", "profile", "kernel", "object_bytes",
)  # fmt: skip


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


QUANTITIES: Mapping[str, tuple[str, Callable[[PointSummary], float | None]]] = {
    "goodput_mbps": ("Mbit/s", lambda p: None if p.goodput_bps is None else p.goodput_bps / 1e6),
    "share_of_wire_percent": ("%", lambda p: _share(p.goodput_bps, p.wire_limit_bps)),
    "requests_per_s": ("1/s", lambda p: p.requests_per_s),
    "complete_requests": ("", lambda p: p.complete_requests),
    "failed_requests": ("", lambda p: p.failed_requests),
    "failed_percent": ("%", lambda p: _share(p.failed_requests, p.complete_requests)),
    "connections": ("", lambda p: p.connections),
    "joined_percent": ("%", lambda p: _share(p.joined, p.connections)),
    "bypass_percent": ("%", lambda p: None if p.director_bypass_share is None else 100 * p.director_bypass_share),
    "resets": ("", lambda p: p.resets),
    "resets_received": ("", lambda p: p.resets_received),
}
"""The unit and the value of each quantity; fields of the summary (analysis/README.md), or shares of them."""


@dataclass(frozen=True)
class Grade:
    """A claim, what was found of it, and the marks for it: all that it is worth if it holds, else none."""

    name: str
    claim: ClaimTable
    finding: Finding

    @property
    def earned(self) -> float:
        """The marks."""
        from analysis.claims import Verdict

        return self.claim.worth if self.finding.verdict is Verdict.HOLDS else 0.0


@dataclass(frozen=True)
class Grades:
    """All claims of a file, and the seeds of the points that they were judged by."""

    title: str
    grades: tuple[Grade, ...]
    seeds: tuple[int, ...]
    hidden: bool

    @property
    def earned(self) -> float:
        """The marks for all of them."""
        return sum(grade.earned for grade in self.grades)

    @property
    def worth(self) -> float:
        """What there was to earn."""
        return sum(grade.claim.worth for grade in self.grades)


def grade(claims: Path, work: Path, *, labs: Labs = (), jobs: int | None = None, listen: Listener = ignore) -> Grades:
    """Judge a student's `work`, a run or the file of an experiment, by a teacher's file of claims.

    With `[hidden]` in that file, and for an experiment's file, the points are run, in a directory that is gone
    afterwards: of a run nothing but its settings is believed then. Otherwise the run is analysed anew. Raises
    `ConfigError` and `UsageError` for what cannot be graded, and what a run raises.
    """
    wanted = grade_file.read(claims)
    if work.is_dir() and wanted.hidden is None:
        points = _summaries_of(work)
    else:
        points = _run_again(wanted, work, labs=labs, jobs=jobs, listen=listen)
    grades = tuple(Grade(name, claim, _finding(wanted, name, points)) for name, claim in wanted.claims.items())
    seeds = tuple(sorted({point.seed for point in points}))
    return Grades(wanted.title, grades, seeds, wanted.hidden is not None)


def _summaries_of(run: Path) -> Sequence[PointSummary]:
    from experiments.api.analysing import analyse

    # What stands in summary.json and the tables may be anything; the captures are harder to make up.
    with runtime_directory.temporary() as scratch:
        return analyse(run, out=Path(scratch)).summaries


def _run_again(
    wanted: GradeFile, work: Path, *, labs: Labs, jobs: int | None, listen: Listener
) -> Sequence[PointSummary]:
    from experiments.api.runs import run

    points = _points(wanted, work)
    with runtime_directory.temporary() as scratch:
        try:
            return run(points, out=Path(scratch) / "run", labs=labs, jobs=jobs, listen=listen).summaries
        except RunInterrupted as error:  # it says where its points are kept; these are not
            raise type(error)(str(error.__cause__ or error)) from error


def _points(wanted: GradeFile, work: Path) -> list[Point]:
    """The student's points, with the seeds and settings that are hidden."""
    from experiments.api.planning import plan, stored_points
    from testbed.runs import store

    seeds = wanted.hidden.seeds if wanted.hidden else (1,)
    if not work.is_dir():
        return plan([str(work)], seeds=seeds, overrides=wanted.hidden.set if wanted.hidden else ())
    if wanted.hidden and wanted.hidden.set:
        hint = "leave out hidden.set, or grade the experiment's file"
        raise wanted.document.error(("hidden", "set"), f"{work} is a run, whose settings are what they are", hint=hint)
    first = {_SEED.sub("", point.id): point for point in reversed(stored_points(store.open_run(work)))}
    if not first:
        raise UsageError(f"{work}: the run has no points")
    return [
        point.model_copy(update={"seed": seed, "id": f"{name}-seed{seed}"})
        for seed in seeds
        for name, point in reversed(first.items())
    ]


def _finding(wanted: GradeFile, name: str, points: Sequence[PointSummary]) -> Finding:
    from analysis.claims.model import CannotBeJudged, Finding, Verdict, conclude

    claim = wanted.claims[name]
    mine = _chosen(wanted, name, "of", claim.of, points)
    others = [] if claim.relative_to is None else _chosen(wanted, name, "relative_to", claim.relative_to, points)
    try:
        if not mine:
            raise CannotBeJudged(_no_such(claim.of, points))
        if claim.relative_to is not None and not others:
            raise CannotBeJudged(_no_such(claim.relative_to, points))
        seeds = wanted.hidden.seeds if wanted.hidden else sorted({point.seed for point in points})
        by_name: dict[str, dict[int, PointSummary]] = {}
        for point in mine:
            by_name.setdefault(_SEED.sub("", point.id), {})[point.seed] = point
        checks = [
            _check(claim, each, {seed: members.get(seed) for seed in seeds}, others)
            for each, members in by_name.items()
        ]
        return conclude(checks)
    except CannotBeJudged as error:
        return Finding(Verdict.OPEN, str(error))


def _check(
    claim: ClaimTable, label: str, points: Mapping[int, PointSummary | None], others: Sequence[PointSummary]
) -> Check:
    """Whether a point keeps the bounds with each seed; one that is invalid, or lacks the value, cannot be told."""
    from analysis.claims.evidence import within
    from analysis.claims.model import Check

    unit, value = QUANTITIES[claim.value]
    unit = f"times {claim.value}" if claim.relative_to is not None else unit
    limits = {name: each for name, each in (("low", claim.at_least), ("high", claim.at_most)) if each is not None}
    words = [f"{'at least' if name == 'low' else 'at most'} {each:g}" for name, each in limits.items()]
    bound = f"{' and '.join(words)} {unit}".strip()
    values = {}
    for seed, point in points.items():
        measured = None if point is None or not point.valid else value(point)
        if point is not None and measured is not None and claim.relative_to is not None:
            measured = _ratio(measured, value, point, others)
        if measured is None:
            return Check(label, None, bound, None, f"seed {seed}: {_lacking(point)}")
        values[seed] = float(measured)
    return within(label, values, unit, bound, **limits)


def _lacking(point: PointSummary | None) -> str:
    if point is None:
        return "there is no result"
    return f"invalid: {point.invalid_reasons[0]}" if point.invalid_reasons else "nothing to measure, or to compare with"


def _ratio(
    measured: float, value: Callable[[PointSummary], float | None], point: PointSummary, others: Sequence[PointSummary]
) -> float | None:
    """The value beside that of the one other point of its seed and object size; None where there is not one."""
    theirs = [
        number
        for each in others
        if (each.seed, each.object_bytes) == (point.seed, point.object_bytes) and each.valid
        if (number := value(each))
    ]
    return measured / theirs[0] if len(theirs) == 1 else None


def _chosen(
    wanted: GradeFile, name: str, table: str, of: Mapping[str, object], points: Sequence[PointSummary]
) -> list[PointSummary]:
    """The points that are so; raises ConfigError for a key that none of the points has."""
    facts = [(point, _facts(point)) for point in points]
    known = sorted({key for _, each in facts for key in each})
    for key in of:
        if points and key not in known:
            hint = did_you_mean(key, known, "points have")
            raise wanted.document.error(("claim", name, table, key), f"{table}.{key}: no point has this", hint=hint)
    return [point for point, each in facts if all(each.get(key) == value for key, value in of.items())]


def _facts(point: PointSummary) -> dict[str, object]:
    return {**point.parameters, **point.parts, **{name: getattr(point, name) for name in _FIELDS}}


def _no_such(of: Mapping[str, object], points: Sequence[PointSummary]) -> str:
    """That no point is so, and what the points have instead where none has the value."""
    facts = [_facts(point) for point in points]
    said = f"no such point: {', '.join(f'{key} {value}' for key, value in of.items()) or 'any'}"
    for key, value in of.items():
        there = sorted({str(each.get(key)) for each in facts})
        if there and not any(each.get(key) == value for each in facts):
            said += f"; points have {key} {', '.join(there[:5])}{', ...' if len(there) > 5 else ''}"
    return said
