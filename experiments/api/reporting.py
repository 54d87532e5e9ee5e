"""The report of runs: one HTML page with claims, figures and time lines, and the same as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.api.analysing import require_main_program
from experiments.free_path import require_free
from testbed.base import files, ownership
from testbed.base.errors import AnalysisError, PrerequisiteError, UsageError
from testbed.labs import cores

if TYPE_CHECKING:
    from analysis.figures.drawing import Kept
    from analysis.report import Report, RunFacts

PAGE = "report.html"
"""The page's name in a run's directory."""

_BEGINNING = 1024
# The second is of pages of older toolkits.
_MARKS = (b'<meta name="generator" content="testbed report">', b'initial-scale=1">\n<title>Report: ')


@dataclass(frozen=True)
class WrittenReport:
    """A report and the page that was written of it."""

    path: Path
    report: Report


def report(
    runs: Sequence[Path], *, points: Sequence[str] = (), out: Path | None = None, figures: Sequence[Path] = ()
) -> WrittenReport:
    """Judge the paper's claims by one or several runs that are analysed, and write the page of it to `out`.

    Without `out` that is `report.html` in the first run; with `points`, their ids, the report is of these alone, and
    `report-ID.html`. A page that is there already is replaced, and nothing else is. `figures` are Python files with
    figures of the caller's own. All cores draw, by processes that read the program which calls this first: it does so
    below `if __name__ == "__main__":`. Raises `UsageError` for what is no analysed run, a point that is not there, or
    something in the page's way; `PrerequisiteError` where it cannot be written.
    """
    require_main_program()
    return write_report(runs, points=points, out=out, figures=figures)


def write_report(
    runs: Sequence[Path],
    *,
    points: Sequence[str] = (),
    out: Path | None = None,
    figures: Sequence[Path] = (),
    drawn: Iterable[Kept] = (),
) -> WrittenReport:
    """As `report`, of what an analysis has `drawn` for it: the page is the same, and takes less time."""
    from analysis.figures.registry import load_registry
    from analysis.report import compile_report, read_run, render_page
    from testbed.record.writing import is_of_run

    path = out or runs[0] / (f"report-{points[0]}.html" if points else PAGE)
    try:
        facts = [read_run(run) for run in runs]
    except AnalysisError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if points:
        facts = _only(facts, points)
    require_free(path, "a report", _is_report, begins=_BEGINNING)
    compiled = compile_report(facts, load_registry(figures), jobs=len(cores.available()), drawn=drawn)
    _write(path, render_page(compiled), note=is_of_run(path))
    return WrittenReport(path, compiled)


def _only(runs: Sequence[RunFacts], points: Sequence[str]) -> list[RunFacts]:
    """The runs with these points alone; raises `UsageError` for one that is in none of them."""
    known = {point.id for run in runs for point in run.points}
    for point in points:
        if point not in known:
            near = get_close_matches(point, sorted(known), 3)
            raise UsageError(
                f"--point: no point {point!r}", hint=f"for example: {', '.join(near or sorted(known)[:3])}"
            )
    return [run for run in (run.only(points) for run in runs) if run.points]


def _is_report(beginning: bytes) -> bool:
    return any(mark in beginning for mark in _MARKS)


def _write(path: Path, text: str, *, note: bool) -> None:
    ownership.remove_drafts(path.parent, path.name)
    try:
        if note:
            ownership.note(path)
        files.write_text(path, text)
    except OSError as error:
        raise PrerequisiteError(
            f"{path}: cannot be written: {error.strerror or error}", hint="name another file with --out"
        ) from error
