"""The runs in a results directory: what each is, how much room it takes, and the removal of those that are ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import UsageError
from testbed.runs import removal
from testbed.runs.store import LATEST, RunStore, open_run, runs
from testbed.runs.verification import enumerate_names


@dataclass(frozen=True)
class Listed:
    """A run: its state, how many of its points are well, its bytes on the disk, and why it is not ours (or empty)."""

    directory: Path
    state: str
    started_at: str
    ok: int
    points: int
    size_bytes: int
    why_not_ours: str


def listed(run: RunStore) -> Listed:
    """What a run is."""
    manifest = run.manifest
    with run.idle() as nobody_works:
        state = manifest.state if nobody_works else "running"
    # A killed run's manifest still says that it runs.
    state = "interrupted" if state == "running" and nobody_works else state
    return Listed(
        run.directory,
        state,
        manifest.started_at or "",
        sum(map(run.is_ok, manifest.points)),
        len(manifest.points),
        size_bytes(run.directory),
        removal.why_not_ours(run),
    )


def size_bytes(directory: Path) -> int:
    """The bytes on the disk of all below a directory; links are not followed."""
    total = 0
    for folder, _directories, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118
            except OSError:  # it has just gone
                continue
    return total


def in_results(results: Path, tell: Callable[[str], None]) -> list[Listed]:
    """The runs in a results directory, the newest first; `tell` hears of what looks like one and is none."""
    return [listed(run) for run in runs(results, tell)]


def removable(directories: Sequence[Path]) -> list[RunStore]:
    """The runs in these directories; raises `UsageError` for what is none, or not ours, or has somebody at work."""
    chosen = [open_run(directory) for directory in directories]
    for run in chosen:
        if run.directory.is_symlink():
            raise UsageError(f"{run.directory}: a link, which is not followed", hint="name the run that it leads to")
        if why := removal.why_not_ours(run):
            raise UsageError(f"{run.directory}: not removed: {why}")
        with run.idle() as nobody_works:
            if not nobody_works:
                raise UsageError(f"{run.directory}: not removed: a testbed run works in it")
    return chosen


def remove(directories: Sequence[Path]) -> list[tuple[Path, str]]:
    """Remove runs; of each what keeps it from being removed as a whole, or an empty text.

    Raises `UsageError` before anything is removed, as `removable`.
    """
    ends = []
    for run in removable(directories):
        with run.idle() as nobody_works:
            left = removal.remove_run(run) if nobody_works else [run.directory]
        ends.append((run.directory, f"not ours: {enumerate_names([str(path) for path in left])}" if left else ""))
        latest = run.directory.parent / LATEST
        if not left and latest.is_symlink() and str(latest.readlink()) == run.directory.name:
            latest.unlink()
    return ends
