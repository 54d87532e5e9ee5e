"""Whether a finished run repeats itself: its points run again on the same kernel, and their digests compared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from testbed.base.errors import AnalysisError
from testbed.base.text import plain
from testbed.record import digests
from testbed.record.digests import Digests
from testbed.runs.store import RunStore
from testbed.runs.tasks import Task, TaskEnd

Finding = Literal["identical", "differs", "not compared", "skipped"]
_NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """What became of one point: `detail` is one line, `wall_s` the seconds that the second run took.

    Skipped is what nobody can expect to be the same; what is "not compared" should have been.
    """

    id: str
    finding: Finding
    detail: str
    wall_s: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """A point that can be run again and compared."""

    id: str
    digests: Digests


def examine(run: RunStore, point_id: str, clock: str, has_kernel: Callable[[str], bool]) -> Candidate | Verdict:
    """Whether a point of the run can be compared at all; the reason if not."""
    if clock != "virtual":
        return Verdict(point_id, "skipped", "it ran in real time, which never repeats itself")
    if not run.is_ok(point_id):
        return Verdict(point_id, "not compared", "it did not come to a good end")
    try:
        stored = digests.read_digests(run.points / point_id)
    except AnalysisError as error:
        return Verdict(point_id, "not compared", str(error))
    if stored is None:
        return Verdict(point_id, "not compared", f"it has no {digests.FILE}: an older toolkit made it")
    if not has_kernel(stored.kernel):
        return Verdict(point_id, "not compared", f"another kernel build made it: {stored.kernel}, not in the cache")
    return Candidate(point_id, stored)


class Comparer:
    """Told by the scheduler of every point that has run again: compares it, and removes it unless `keep`.

    `tell` gets each verdict as soon as there is one; `verdicts` collects them.
    """

    def __init__(
        self, again: RunStore, candidates: Iterable[Candidate], tell: Callable[[Verdict], None], *, keep: bool
    ) -> None:
        self.verdicts: list[Verdict] = []
        self._again = again
        self._before = {candidate.id: candidate.digests for candidate in candidates}
        self._tell = tell
        self._keep = keep

    def started(self, task: Task) -> None:
        """Nothing to compare yet."""

    def phase(self, task: Task, phase: str) -> None:
        """Nothing to compare yet."""

    def finished(self, task: Task, end: TaskEnd) -> None:
        """Compare the point's files with what they were."""
        verdict = self._judge(task.id, end)
        self.verdicts.append(verdict)
        if not self._keep:
            with contextlib.suppress(OSError):  # it lies in a directory that goes as a whole
                self._again.forget(task.id)
        self._tell(verdict)

    def _judge(self, point_id: str, end: TaskEnd) -> Verdict:
        if not end.ok:
            return Verdict(point_id, "not compared", f"this time it failed: {end.error}", end.wall_s)
        after = digests.read_digests(self._again.points / point_id)
        if after is None:
            return Verdict(point_id, "not compared", "the lab does not say which kernel it ran", end.wall_s)
        names = self._before[point_id].differing(after)
        if names:
            return Verdict(point_id, "differs", f"in {enumerate_names(names)}", end.wall_s)
        return Verdict(point_id, "identical", f"{len(after.files)} files", end.wall_s)


def other_tools(then: Mapping[str, object], now: Mapping[str, str]) -> list[str]:
    """The tools of a run's manifest that are not the same now, each with both versions.

    lighttpd and `ab` of one Debian release exchange other bytes than those of the next. What an older toolkit did not
    note is left out.
    """
    return [
        plain(f"{name} was {then[name]}, now it is {version}")
        for name, version in now.items()
        if name in then and then[name] != version
    ]


def enumerate_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown, more = ", ".join(names[:_NAMED]), len(names) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
