"""From the raw directories of a run to its summary: one `PointSummary` per point, `summary.json`, `summary.txt`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from analysis.summary.model import PointSummary, write_json
from analysis.summary.of_point import PointAnalysis, analyse_point_fully
from analysis.summary.point_analyses import PointAnalyses
from analysis.summary.text import render_table
from analysis.summary.workers import Workers
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
    with Workers(min(jobs, len(directories))) as workers:
        return PointAnalyses(workers, waits_of).all_of(directories)


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
