"""The captures of a point for other tools: one pcapng, with what the analysis knows as comments on its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from experiments.free_path import require_free
from testbed.base import ownership
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
    if str(path) == "-":
        raise UsageError("--out -: an export is a file, it is not printed", hint="name a file with --out")
    require_free(path, "an export", _is_export, begins=_BEGINNING)
    ownership.remove_drafts(path.parent, path.name)
    with writing(path) as file:
        written = write_annotated(run.points / chosen, file)
    return Export(path, written.frames, written.comments, tuple(written.warnings))


def _point_of(run: store.RunStore, point: str) -> str:
    there = run.points.iterdir() if run.points.is_dir() else ()
    # What begins with a dot has not come to its end, or is somebody's own.
    known = sorted(each.name for each in there if each.is_dir() and not each.name.startswith("."))
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


def _is_export(beginning: bytes) -> bool:
    from analysis.summary.annotated_capture import APPLICATION

    return beginning.startswith(_MAGIC) and APPLICATION.encode() in beginning
