"""The captures of a point for other tools: one pcapng, with what the analysis knows as comments on its frames."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from testbed.base import files
from testbed.base.errors import UsageError
from testbed.base.text import plain
from testbed.runs import store

SUFFIX = ".pcapng"
_MAGIC, _BEGINNING = b"\x0a\x0d\x0d\x0a", 65_536


@dataclass(frozen=True)
class Export:
    """The file that was written, its frames by the names of their places, how many comments it has, and a line on each
    thing that could not be read.
    """

    path: Path
    frames: Mapping[str, int]
    comments: int
    warnings: tuple[str, ...] = ()


def export(directory: Path, point: str = "", out: Path | None = None) -> Export:
    """Write all captures of a point of a run into one pcapng, by default `POINT.pcapng` in the run.

    Each place is an interface. An older export is replaced, and nothing else. `point` may be left out where the run
    has one. Raises `UsageError` for what is not there or in the way, `AnalysisError` for captures that cannot be read.
    """
    from analysis.summary.annotated_capture import write_annotated
    from testbed.record.writing import writing

    run = store.open_run(directory)
    chosen = _point_of(run, point)
    path = out or directory / f"{chosen}{SUFFIX}"
    _require_free(path)
    with writing(path) as file:
        written = write_annotated(run.points / chosen, file)
    return Export(path, written.frames, written.comments, tuple(written.warnings))


def _point_of(run: store.RunStore, point: str) -> str:
    known = sorted(each.name for each in run.points.iterdir() if each.is_dir()) if run.points.is_dir() else []
    if not point and len(known) == 1:
        return known[0]
    if not known:
        raise UsageError(f"{run.directory}: the run has no finished point")
    near = (get_close_matches(point, known, 3) or known) if point else known
    shown = f"its points: {', '.join(map(plain, near[:5]))}{', ...' if len(near) > 5 else ''}"
    if not point:
        raise UsageError(f"{run.directory}: which point?", hint=f"--point ID; {shown}")
    if point not in known:
        raise UsageError(f"{run.directory}: no point {point!r}", hint=shown)
    return point


def _require_free(path: Path) -> None:
    """Raise `UsageError` unless the path is free or has an older export: what the user has there stays."""
    from analysis.summary.annotated_capture import APPLICATION

    if not os.path.lexists(path):
        return
    beginning = b""
    if path.is_file() and not path.is_symlink():
        with files.open_regular(path) as file:
            beginning = file.read(_BEGINNING)
    if not (beginning.startswith(_MAGIC) and APPLICATION.encode() in beginning):
        raise UsageError(f"{path}: it is there already, and not an export", hint="name another file with --out")
