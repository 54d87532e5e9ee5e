"""The analysis of a run's raw data: tables, summary and figures, from a run directory that may be anybody's."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.base.errors import PointsFailed, UsageError
from testbed.labs import cores
from testbed.runs import store

if TYPE_CHECKING:
    from analysis.summary.model import PointSummary


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a run comes to.

    `summaries` has an entry per finished point; `tables` are Arrow tables by name, with the rows of all of them;
    `files` were written; `missing` are the ids of points that should have a result and have none; `notes` say in a
    line each which figures could not be drawn.
    """

    directory: Path
    summaries: tuple[PointSummary, ...]
    tables: Mapping[str, Any]
    files: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
    return analysis


def analyse_points(
    run: store.RunStore,
    *,
    out: Path | None = None,
    jobs: int | None = None,
    wanted: tuple[str, ...] = (),
    figures: Sequence[Path] = (),
) -> Analysis:
    """As `analyse`; a run without any finished point will do, and each of the ids in `wanted` must have a result."""
    # matplotlib takes a second to import, which nobody should pay who does not draw.
    from analysis.figures.drawing import save
    from analysis.figures.gallery import not_at_hand, of_all
    from analysis.figures.registry import load_registry
    from analysis.summary.of_run import analyse_run_fully, stack, write_summary
    from analysis.tables import write_tables

    registry = load_registry(figures)  # first: what is wrong with a file is said before the long work
    target = out or run.directory
    analysed = analyse_run_fully(run.directory, jobs or len(cores.available()), registry.drawn_of_waits)
    summaries = tuple(each.summary for each in analysed)
    if not summaries and not wanted:
        return Analysis(run.directory, (), {}, ())
    tables = stack(analysed)
    of_tables = write_tables(target, tables)
    of_summary = write_summary(target, summaries)
    drawn = save(of_all(registry, tables, summaries), target / "figures")
    return Analysis(
        run.directory,
        summaries,
        tables,
        files=(*of_tables, *of_summary, *drawn.files),
        missing=tuple(name for name in wanted if not run.is_ok(name)),
        notes=(*registry.problems, *not_at_hand(registry, summaries), *drawn.problems, *drawn.empty(registry)),
    )


def require_main_program() -> None:
    """Raise `UsageError` in a process of an analysis that reads the program which started it, and so comes here."""
    # What multiprocessing looks at itself before it starts a process.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "a run or an analysis begins whenever this program is imported, by its own processes too",
            hint='begin it below: if __name__ == "__main__":',
        )
