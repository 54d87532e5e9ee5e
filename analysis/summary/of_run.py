"""From the raw directories of a run to its summary: one `PointSummary` per point, `summary.json`, `summary.txt`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa

from analysis.summary.model import (
    PointSummary,
    write_json,
)
from analysis.summary.of_point import PointAnalysis, analyse_point_fully, without_tables
from analysis.summary.text import render_table
from analysis.tables import TABLES
from testbed.base.errors import AnalysisError
from testbed.record import manifest, reading
from testbed.record import writing as output
from testbed.record.manifest import RunManifest


def analyse_run(run_dir: Path, jobs: int = 1, waits_of: Collection[str] = ()) -> list[PointSummary]:
    """The summaries of a run's points in the order of its manifest, at most `jobs` at a time.

    With `jobs` 1 everything happens in this process; `waits_of` as for `analyse_point`. Raises AnalysisError when
    `run_dir` is no run directory.
    """
    return [each.summary for each in analyse_run_fully(run_dir, jobs, waits_of)]


def analyse_run_fully(run_dir: Path, jobs: int = 1, waits_of: Collection[str] = ()) -> list[PointAnalysis]:
    """Summaries and tables of a run's points; otherwise as `analyse_run`."""
    directories = point_directories(run_dir)
    if jobs <= 1 or len(directories) <= 1:
        return [analyse_point_fully(directory, waits_of) for directory in directories]
    context = multiprocessing.get_context("spawn")  # the caller may have threads, which fork does not survive
    with ProcessPoolExecutor(min(jobs, len(directories)), context, initializer=_begin_worker) as pool:
        futures = [(directory, pool.submit(analyse_point_fully, directory, waits_of)) for directory in directories]
        try:
            return [_result(directory, future) for directory, future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def stack(points: Sequence[PointAnalysis]) -> dict[str, pa.Table]:
    """The tables of several points, one below the other."""
    return {name: table.stack([each.tables[name] for each in points]) for name, table in TABLES.items()}


def write_summary(run_dir: Path, points: Sequence[PointSummary]) -> tuple[Path, Path]:
    """Write `summary.json` and `summary.txt` in the run directory, each whole or not at all; raises AnalysisError."""
    table = output.write_text(run_dir / "summary.txt", render_table(points))
    return write_json(run_dir, points), table


def point_directories(run_dir: Path) -> list[Path]:
    """The finished points' directories, first as the manifest lists them, then the others by name.

    Raises AnalysisError when there is no such directory, or its manifest is of another version.
    """
    root = run_dir / "points"
    if not root.is_dir():
        raise AnalysisError(f"{run_dir}: not a run directory: it has no 'points'")
    if root.is_symlink():
        raise AnalysisError(f"{root}: a link, which is not followed")
    run = read_manifest(run_dir)
    found = {entry.name: entry for entry in sorted(root.iterdir()) if entry.is_dir() and entry.name[0] != "."}
    for entry in found.values():
        if entry.is_symlink():
            raise AnalysisError(f"{entry}: a link, which is not followed")
    first = [found.pop(name) for name in dict.fromkeys(run.points if run else ()) if name in found]
    return [*first, *found.values()]


def read_manifest(run_dir: Path) -> RunManifest | None:
    """The manifest of a run's directory, None if it has none; raises AnalysisError for one that cannot be used."""
    path = run_dir / manifest.NAME
    if not reading.is_there(path):
        return None
    try:
        return manifest.read(path)
    except OSError as error:
        raise AnalysisError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise AnalysisError(f"{path}: {error}") from error


def _begin_worker() -> None:
    # Ctrl-C and a closed terminal reach the whole process group; the parent alone decides what follows from it.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A worker holds both ends of its queue, so that it would wait for ever for a parent that was killed.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _result(directory: Path, future: Future[PointAnalysis]) -> PointAnalysis:
    try:
        return future.result()
    except Exception as error:  # for example BrokenProcessPool: the worker was killed for lack of memory
        reason = f"the analysis failed: {type(error).__name__}: {error}"
        return without_tables(PointSummary(id=directory.name, invalid_reasons=(reason,)))
