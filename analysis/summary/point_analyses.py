"""The analyses of a run's points in worker processes, some of them begun while other points still run.

What comes of a point is the same whenever it is analysed: its directory has its final name, and changes no more.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from analysis.summary.model import PointSummary
from analysis.summary.of_point import PointAnalysis, analyse_point_fully, without_tables
from analysis.summary.workers import Workers

# A point of 400,000 pages takes 4.7 for each byte of its captures, long downloads take 3.
_EMPTY_HANDED, _PER_BYTE = 180_000_000, 5
_LEFT_FREE = 0.5
_MEMORY = Path("/proc/meminfo")


class PointAnalyses:
    """The analyses of points in `workers`; `waits_of` as for `analyse_point`."""

    def __init__(self, workers: Workers, waits_of: Collection[str] = ()) -> None:
        self._workers = workers
        self._waits_of = waits_of
        self._begun: dict[Path, Future[PointAnalysis]] = {}

    def begin(self, directory: Path, at_once: int) -> None:
        """Begin with a point at low priority, when fewer than `at_once` others are under way: until then, wait.

        One that takes more than half of the memory that is free now is left until all points have ended: they may need
        it. Raises RuntimeError once the workers are closed.
        """
        while len(under_way := [each for each in self._begun.values() if not each.done()]) >= at_once:
            wait(under_way, return_when=FIRST_COMPLETED)
        if memory_needed(directory) < _LEFT_FREE * _available():
            self._begun[directory] = self._workers.submit_low(analyse_point_fully, directory, self._waits_of)

    def all_of(self, directories: Sequence[Path]) -> list[PointAnalysis]:
        """The analyses of these points in their order, those that were not begun yet now."""
        self._workers.hurry()
        futures = [(each, self._begun.get(each) or self._submit(each)) for each in directories]
        return [self._result(directory, future) for directory, future in futures]

    def _submit(self, directory: Path) -> Future[PointAnalysis]:
        return self._workers.submit(analyse_point_fully, directory, self._waits_of)

    def _result(self, directory: Path, future: Future[PointAnalysis]) -> PointAnalysis:
        # A worker that is killed takes with it what the others do, too, and beside others it has less memory.
        with contextlib.suppress(Exception):
            return future.result()
        try:
            return self._submit(directory).result()
        except Exception as error:  # for example BrokenProcessPool: the worker was killed for lack of memory
            reason = f"the analysis failed: {type(error).__name__}: {error}"
            return without_tables(PointSummary(id=directory.name, invalid_reasons=(reason,)))


def memory_needed(directory: Path) -> int:
    """Bytes of memory that a process which analyses the point takes at most (`tests/benchmarks/analysis_memory.py`)."""
    return _EMPTY_HANDED + _PER_BYTE * sum(each.lstat().st_size for each in directory.glob("*.pcap*"))


def _available() -> int:
    """Bytes of memory that programs can still have, without swapping; 0 where the kernel does not say."""
    if not _MEMORY.exists():
        return 0
    found = re.search(r"^MemAvailable: +(\d+) kB$", _MEMORY.read_text(encoding="ascii"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
