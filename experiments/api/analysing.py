"""The analysis of a run's raw data: tables, summary and figures, from a run directory that may be anybody's."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from experiments.api.tables import Tabled
from testbed.base.errors import PointsFailed, UsageError
from testbed.labs import cores
from testbed.runs import store

if TYPE_CHECKING:
    import pyarrow as pa

    from analysis.figures.drawing import Kept
    from analysis.figures.registry import Registry
    from analysis.summary.model import PointSummary
    from analysis.summary.point_analyses import PointAnalyses


@dataclass(frozen=True, eq=False)
class Analysis(Tabled):
    """What a run comes to.

    `summaries` has an entry per finished point; `tables` are Arrow tables by name, with the rows of all of them;
    `files` were written; `missing` are the ids of points that should have a result and have none; `notes` say in a
    line each which figures could not be drawn, and how many of a run's points are not there. `report` is the page that
    a run ends with.
    """

    directory: Path
    summaries: tuple[PointSummary, ...]
    tables: Mapping[str, pa.Table]
    files: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    report: Path | None = None

    def text(self) -> str:
        """The summary as a table of text."""
        from analysis.summary.text import render_table

        return render_table(self.summaries)

    def invalid(self) -> dict[str, tuple[str, ...]]:
        """The points whose results must not be used, by id, each with its reasons."""
        found = {each.id: each.invalid_reasons or ("no reason given",) for each in self.summaries if not each.valid}
        return found | {name: ("it has no result",) for name in self.missing if name not in found}

    def require_valid(self) -> None:
        """Raise `PointsFailed`, with the first of them and its reason, if a point is invalid."""
        if invalid := self.invalid():
            first, reasons = next(iter(invalid.items()))
            count = len({each.id for each in self.summaries} | set(self.missing))
            raise PointsFailed(
                f"{len(invalid)} of {count} points failed or are invalid: {first}: {reasons[0]}",
                hint=f"see {self.directory / 'points' / first}",
            )


def analyse(
    directory: Path, *, out: Path | None = None, jobs: int | None = None, figures: Sequence[Path] = ()
) -> Analysis:
    """Analyse the finished points of a run, and write tables, summary and figures to `out` (None: to the run).

    `jobs` processes share the points (None: one per core); a program that calls this does so below
    `if __name__ == "__main__":`, since each of them reads that program first. What is wrong with a point is in its
    summary and stops no other; nothing of the experiment's own code is run. `figures` are Python files with figures of
    the caller's own (`analysis.figures`).

    Raises `UsageError` if there is no run, it has no finished point, or a file declares no figure; `AnalysisError` or
    `ConfigError` for files that cannot be used.
    """
    require_main_program()
    run = store.open_run(directory)
    analysis = analyse_points(run, out=out, jobs=jobs, figures=figures)
    if not analysis.summaries:
        raise UsageError(f"{directory}: the run has no finished point")
    there = {each.id for each in analysis.summaries}
    if absent := [each for each in run.manifest.points if each not in there]:
        note = (
            f"{len(absent)} of {len(run.manifest.points)} points of the run have no result, the first {absent[0]} "
            f"(testbed run --resume --out {directory} does them)"
        )
        return replace(analysis, notes=(note, *analysis.notes))
    return analysis


def read(directory: Path) -> Analysis:
    """What the analysis of a run has left in it, or elsewhere as its `out`: summaries and tables, nothing done again.

    Raises `AnalysisError` for what is not there, or of another version.
    """
    from analysis.summary.model import read_summary
    from analysis.tables import DIRECTORY, TABLES, read_table

    names = [name for name in TABLES if (directory / DIRECTORY / f"{name}.parquet").exists()]
    tables = {name: read_table(directory, name) for name in names}
    return Analysis(directory, tuple(read_summary(directory)), tables, files=())


def analyse_points(
    run: store.RunStore,
    *,
    out: Path | None = None,
    jobs: int | None = None,
    wanted: tuple[str, ...] = (),
    figures: Sequence[Path] = (),
) -> Analysis:
    """As `analyse`; a run without any finished point will do, and each of the ids in `wanted` must have a result."""
    with RunAnalysis(run, jobs=jobs, figures=figures) as analysis:
        return analysis.of_all(out=out, wanted=wanted)


class RunAnalysis:
    """The analysis of a run, which begins with its first points while the others run; a context manager.

    Until `of_all` it has what processor time and memory the points leave, and nothing of it is written. `jobs` and
    `figures` as for `analyse`. With `for_report` it leaves in `drawn` what a report shows of the figures.
    """

    def __init__(
        self, run: store.RunStore, *, jobs: int | None = None, figures: Sequence[Path] = (), for_report: bool = False
    ) -> None:
        from analysis.summary.workers import Workers

        self.drawn: Sequence[Kept] = ()
        self._for_report = for_report
        self._run, self._figures = run, figures
        there = len(list(run.points.iterdir())) if run.points.is_dir() else 0
        count = min(jobs or len(cores.available()), max(there, len(run.manifest.points)))
        self._workers = Workers(count) if count > 1 else None
        self._at_once = max(1, count // 2)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="analysis")
        self._prepared = self._thread.submit(self._prepare)

    def begin(self, point_id: str) -> None:
        """Begin with a finished point, in a while, if there are processes for it; returns at once."""
        if self._workers is not None:
            self._thread.submit(self._begin, self._run.points / point_id)

    def holding(self) -> AbstractContextManager[None]:
        """Hold what is under way until the block ends."""
        return contextlib.nullcontext() if self._workers is None else self._workers.holding()

    def of_all(self, *, out: Path | None = None, wanted: tuple[str, ...] = ()) -> Analysis:
        """As `analyse_points`: what is not analysed yet is now, and all is drawn and written."""
        from analysis.figures.drawing import save
        from analysis.figures.gallery import not_at_hand, of_all
        from analysis.report.pictures import of_drawn
        from analysis.summary.of_point import analyse_point_fully
        from analysis.summary.of_run import point_directories, stack, write_summary
        from analysis.summary.sweep_table import NAME as SWEEP
        from analysis.summary.sweep_table import sweep_table
        from analysis.tables import write_tables

        run, workers = self._run, self._workers
        if workers is not None:
            workers.hurry()
        self._thread.shutdown(cancel_futures=True)
        registry, analyses = self._prepared.result()
        directories = point_directories(run.directory)
        if analyses is None:
            analysed = [analyse_point_fully(each, registry.drawn_of_waits) for each in directories]
        else:
            analysed = analyses.all_of(directories)
        summaries = tuple(each.summary for each in analysed)
        if not summaries and not wanted:
            return Analysis(run.directory, (), {}, ())
        target, tables = out or run.directory, stack(analysed)
        swept = sweep_table(summaries)
        of_tables = write_tables(target, tables if swept is None else {**tables, SWEEP: swept})
        of_summary = write_summary(target, summaries)
        keep = of_drawn if self._for_report else None
        drawn = save(of_all(registry, tables, summaries), target / "figures", workers, keep)
        self.drawn = drawn.kept
        return Analysis(
            run.directory,
            summaries,
            tables,
            files=(*of_tables, *of_summary, *drawn.files),
            missing=tuple(name for name in wanted if not run.is_ok(name)),
            notes=(*registry.problems, *not_at_hand(registry, summaries), *drawn.problems, *drawn.empty(registry)),
        )

    def _prepare(self) -> tuple[Registry, PointAnalyses | None]:
        # matplotlib takes a second to import, which nobody should pay who does not draw, nor wait for while points run.
        from analysis.figures.drawing import warm_up
        from analysis.figures.registry import load_registry
        from analysis.summary.point_analyses import PointAnalyses

        if self._workers is None:
            return load_registry(self._figures), None
        with contextlib.suppress(RuntimeError):  # closed already
            for _ in range(self._workers.count):
                self._workers.submit_low(warm_up)
        registry = load_registry(self._figures)
        return registry, PointAnalyses(self._workers, registry.drawn_of_waits)

    def _begin(self, directory: Path) -> None:
        _, analyses = self._prepared.result()
        if analyses is not None:
            with contextlib.suppress(RuntimeError):
                analyses.begin(directory, self._at_once)

    def __enter__(self) -> RunAnalysis:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers is not None:
            self._workers.close()
        self._thread.shutdown(cancel_futures=True)


def require_main_program() -> None:
    """Raise `UsageError` in a process of an analysis that reads the program which started it, and so comes here."""
    # What multiprocessing looks at itself before it starts a process.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "a run, an analysis or a report begins whenever this program is imported, by its own processes too",
            hint='begin it below: if __name__ == "__main__":',
        )
