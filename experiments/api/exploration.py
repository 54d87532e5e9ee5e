"""An exploration: one connection of a point again and again, each time with one fault, and what that led to.

In its directory: `batches/` with all raw data, `cases` and `packets` as Parquet and CSV, `exploration.txt`, the
picture, and a file of TOML for each finding (`experiments.api.finding_files`), which was repeated in a boot of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.summary import exploration as summary
from analysis.summary import exploration_findings
from analysis.summary.exploration import BaseLine
from experiments.api.events import Listener, Notice, ignore
from experiments.api.exploring import Explorer, Seen
from experiments.exploration import enumeration, shrinking
from experiments.exploration.enumeration import Delays, case_of
from testbed.base.errors import PointsFailed, TestbedError, UsageError
from testbed.record.exploration import WHATS, Case, Change, Fault, What

MOST_REPEATED = 12
"""So many groups of findings are repeated and written, the worst of them."""

MOST_NOT_APPLIED = 0.01
"""The share of cases whose faults, or changes, may be others than they were meant to be."""

TEXT, COMPARED = "exploration.txt", "comparison.txt"
"""The pages that are left of it: a point's, and of several what each is beside the first."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is explored: which faults, of which packets (None: all), and how many packets after each a second one."""

    whats: tuple[What, ...] = WHATS
    numbers: range | None = None
    pairs: int = 0
    repeat: int = MOST_REPEATED


@dataclass(frozen=True)
class Group:
    """Findings that are alike, by the worst of them; whether it came out the same in a boot of its own.

    `faults` are those that are left of its own when all are taken away that it can do without.
    """

    worst: Row
    count: int
    faults: tuple[Fault, ...]
    repeats: bool | None = None


@dataclass(frozen=True)
class Exploration:
    """What was found of one point. `base_lines` is how often the connection without a fault came out the same."""

    base: BaseLine
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    delays: Delays
    base_lines: int

    @property
    def not_applied(self) -> list[Row]:
        """The cases whose faults are not what happened."""
        return [row for row in self.rows if not row["applied"]]

    def require_applied(self) -> None:
        """Raise `PointsFailed` if too many of the faults are not what happened."""
        require_applied(self.rows)


def require_applied(rows: Sequence[Row]) -> None:
    """Raise `PointsFailed` if more than `MOST_NOT_APPLIED` of the cases were not applied."""
    missed = [row for row in rows if not row["applied"]]
    if len(missed) > MOST_NOT_APPLIED * len(rows):
        what = f"{len(missed)} of {len(rows)} cases were not applied"
        raise PointsFailed(f"{what}: {missed[0]['case']}: {missed[0]['not_applied']}")


def explore(explorer: Explorer, wanted: Wanted, listen: Listener = ignore) -> Exploration:
    """Run the base line, then all cases; the findings are shrunk, and repeated.

    Raises `TestbedError`, also where there is no case.
    """
    if wanted.numbers and not wanted.pairs:
        explorer.alike = wanted.numbers.stop
    seen = explorer.base()
    base = base_line(explorer, seen)
    delays = Delays.of_round_trip(base.round_trip_s)
    passages = seen.outcome.passages()
    cases = enumeration.single_faults(passages, delays, wanted.whats, wanted.numbers)
    if not cases:
        what = f"{explorer.point.id}: a connection of {len(base.described)} packets has none that this could be done to"
        raise UsageError(what, hint="other numbers: --packets; other faults: --fault")
    listen(
        Notice(f"{explorer.point.id}: {len(base.described)} packets in {base.done_s * 1e3:.3g} ms, {len(cases)} cases")
    )
    found = explorer.run(cases)
    if wanted.pairs:
        firsts = [each for each in found.values() if each.case.faults[0].what == "lost"]
        more = [
            case for first in firsts for case in enumeration.second_losses(
                first.case, first.outcome.passages(), wanted.pairs)
        ]  # fmt: skip
        listen(Notice(f"{explorer.point.id}: {len(more)} pairs"))
        found |= explorer.run(more)
    rows = tuple(row_of(each, base) for each in found.values())
    groups = _groups(explorer, base, rows, found, wanted.repeat, listen)
    return Exploration(base, rows, tuple(groups), delays, explorer.base_lines)


def base_line(explorer: Explorer, seen: Seen) -> BaseLine:
    """What a base line says; raises `TestbedError` where the connection fails without any fault."""
    try:
        return summary.base_line(seen.outcome)
    except ValueError as error:
        raise TestbedError(f"{explorer.point.id}: {error}") from error


def row_of(seen: Seen, base: BaseLine) -> Row:
    """The row of a case."""
    return summary.judge(seen.case, seen.outcome, base, seen.agreement, far_comparable=seen.far_comparable)


def shrunk(explorer: Explorer, base: BaseLine, case: Case, finding: str) -> Case:
    """The smallest part of a case's faults, and its changes, that still leads to the finding.

    Raises ValueError if the case itself does not.
    """

    def as_case(some: Sequence[Fault | Change]) -> Case:
        faults = tuple(each for each in some if isinstance(each, Fault))
        changes = tuple(each for each in some if isinstance(each, Change))
        name = "+".join([case_of(faults).id, *(f"{each.event}-{each.at_s:.9g}" for each in changes)]) or "nothing"
        return Case(id=name, faults=faults, changes=changes)

    def fail(several: Sequence[Sequence[Fault | Change]]) -> list[bool]:
        cases = [as_case(each) for each in several]
        wanted = {each.id: each for each in cases if not each.is_base}
        found = {name: row_of(each, base)["finding"] for name, each in explorer.run(list(wanted.values())).items()}
        return [found.get(each.id) == finding for each in cases]

    return as_case(shrinking.smallest((*case.faults, *case.changes), fail))


def _groups(
    explorer: Explorer,
    base: BaseLine,
    rows: Sequence[Row],
    found: Mapping[str, Seen],
    most: int,
    listen: Listener,
) -> list[Group]:
    ranked = [_least(group) for group in exploration_findings.ranked(rows)]
    cases = []
    for alike in ranked[:most]:
        case = found[alike[0]["case"]].case
        cases.append(shrunk(explorer, base, case, alike[0]["finding"]) if len(case.faults) > 1 else case)
    if cases:
        listen(Notice(f"{explorer.point.id}: {len(cases)} findings, each again in a boot of its own"))
    again = explorer.run(list({case.id: case for case in cases}.values()), alone=True)
    groups = []
    for alike, case in zip(ranked[:most], cases, strict=True):
        worst, row = alike[0], row_of(again[case.id], base)
        is_smaller = case.id != worst["case"]
        repeats = row["finding"] == worst["finding"] and (is_smaller or row["digest"] == worst["digest"])
        groups.append(Group(row if is_smaller else worst, len(alike), case.faults, repeats))
    return groups + [Group(alike[0], len(alike), found[alike[0]["case"]].case.faults) for alike in ranked[most:]]


def _least(group: Sequence[Row]) -> Sequence[Row]:
    """The cases with the fewest faults first, each number of them by its cost as before."""
    return sorted(group, key=lambda row: row["faults"].count(";"))
