"""The removal of a whole run: of what we made in its directory, and of nothing else that lies there.

What is ours is on record: the lists of `testbed.base.ownership` in the run's directory and in the analysis' folders,
and for each point the files that it had when it was finished (`files` in `outcome.json`). A directory that no record
speaks for stays, whatever its manifest says.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from testbed.base import files, ownership
from testbed.runs.store import MANIFEST, PARTIAL, RunStore, recorded_name

_LISTED = ("figures", "tables")


def why_not_ours(run: RunStore) -> str:
    """Why a run must not be removed by us; empty if it may."""
    directory = run.directory
    if not ownership.is_mine(directory):
        return "it belongs to another user"
    if directory.lstat().st_dev != directory.parent.stat().st_dev:
        return "it is another file system, mounted there"
    if MANIFEST not in ownership.made(directory):
        return f"nothing in it says that this toolkit made it here ({ownership.LIST}); remove it yourself"
    return ""


def remove_run(run: RunStore) -> list[Path]:
    """Remove a run's files and the directories that are empty then; returns what is left, of which nothing is ours.

    Nobody may be at work in it. Raises OSError.
    """
    run.remove_leftovers()
    left: list[Path] = []
    if os.path.lexists(run.points):
        left += _remove_points(run)
    for name in _LISTED:
        if os.path.lexists(run.directory / name):
            left += ownership.remove_made(run.directory / name)
    above = {parent for path in left for parent in path.parents}
    return left + [path for path in ownership.remove_made(run.directory) if path not in above]


def _remove_points(run: RunStore) -> list[Path]:
    left: list[Path] = []
    for directory in sorted(run.points.iterdir()):
        if directory.is_symlink() or not directory.is_dir():
            left.append(directory)
        elif directory.name.startswith(PARTIAL):
            files.remove(directory)
        else:
            left += _remove_point(directory, _record(run, directory.name))
    with contextlib.suppress(OSError):  # what is left lies in it
        run.points.rmdir()
    return left


def _record(run: RunStore, point_id: str) -> frozenset[str]:
    outcome = run.outcome(point_id)
    return frozenset(outcome.files if outcome else ())


def _remove_point(directory: Path, record: frozenset[str]) -> list[Path]:
    """Remove the recorded files of a point, and the directories that are empty then; returns what is left."""
    left = []
    for path in sorted(directory.rglob("*"), reverse=True):  # what lies in a directory comes before it
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.rmdir()
        elif recorded_name(path, directory) in record:
            path.unlink(missing_ok=True)
        else:
            left.append(path)
    if not left:
        directory.rmdir()
    return left[::-1]
