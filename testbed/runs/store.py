"""The run store: a run's directory, its manifest `run.json`, and the raw directories of its points.

    <run>/run.json             manifest: state, command, versions, the ids of the points, the points in full
    <run>/points/<id>/         appears by rename when it is whole; `.partial-<id>` before
    <run>/.lock                held by the process that works in the directory

A point is finished when its directory has its final name; nothing else says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from testbed.base import files, ownership
from testbed.base.errors import AnalysisError, ConfigError, PrerequisiteError, UsageError
from testbed.base.locks import try_lock
from testbed.record import manifest
from testbed.record.manifest import RunManifest
from testbed.record.outcome import FILE as OUTCOME
from testbed.record.outcome import Outcome, read_outcome
from testbed.record.point_id import is_point_id

VERSION = manifest.VERSION
MANIFEST = manifest.NAME
RESULTS = Path("results")
"""Where runs go that are given no directory: in the current one."""

LATEST = "latest"
PARTIAL = ".partial-"
SPACE_BYTES = 2_000_000_000
"""The most that must be free when a run begins, however large it is."""
RESERVE_BYTES = 50_000_000
"""What must be free for another point to begin, and for what is written at the end of a run."""

LOCK = ".lock"
_LOCK_S = 1.0
_FOLDERS = ("figures", "tables")  # of the analysis


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all; raises OSError."""
    files.write_text(path, json.dumps(value, indent=1) + "\n")


class RunStore:
    """One run's directory; make it with `create` or `open_run`."""

    def __init__(self, directory: Path, manifest: RunManifest) -> None:
        self.directory = directory
        self.manifest = manifest

    @property
    def points(self) -> Path:
        """Where the points' directories lie."""
        return self.directory / "points"

    def update(self, **fields: object) -> None:
        """Change fields of the manifest, on disk too; raises `PrerequisiteError`."""
        self.manifest = RunManifest.model_validate({**self.manifest.fields(), **fields})
        try:
            write_json(self.directory / MANIFEST, self.manifest.fields())
        except OSError as error:
            raise _not_writable(self.directory, error) from error

    def begin(self, point_id: str) -> Path:
        """A new, empty directory for a point that is about to run; raises OSError."""
        partial = self._partial(point_id)
        files.make_directory(self.points)
        files.remove(partial)
        partial.mkdir()
        return partial

    def finish(self, point_id: str, outcome: Outcome) -> Path:
        """Write the outcome and give the directory its final name (a failed one there makes way); raises OSError."""
        partial, final = self._partial(point_id), self.points / point_id
        whole = outcome.model_copy(update={"files": tuple(_files_in(partial))})
        write_json(partial / OUTCOME, whole.fields())
        files.remove(final)
        return partial.rename(final)

    def note_files(self, point_id: str) -> None:
        """Note anew which files a finished point has, after an analysis has changed them; raises OSError."""
        outcome, final = self.outcome(point_id), self.points / point_id
        if outcome is not None:
            write_json(final / OUTCOME, outcome.model_copy(update={"files": tuple(_files_in(final))}).fields())

    def abandon(self, point_id: str) -> None:
        """Remove what a point that did not come to its end has left; what cannot be is left to `testbed clean`."""
        with contextlib.suppress(OSError):
            files.remove(self._partial(point_id))

    def shortage(self) -> str:
        """What is wrong with the disk if it has no room for another point, in one line; empty if it has."""
        try:
            free = shutil.disk_usage(self.directory).free
        except OSError as error:
            return f"{self.directory}: {error.strerror or error}"
        if free >= RESERVE_BYTES:
            return ""
        return (
            f"the disk is full: {self.directory} has {free / 1e6:.0f} MB free, of {RESERVE_BYTES / 1e6:.0f} MB to go on"
        )

    def forget(self, point_id: str) -> None:
        """Remove a finished point's directory; raises OSError."""
        if is_point_id(point_id):
            files.remove(self.points / point_id)

    def remove_leftovers(self) -> list[Path]:
        """Remove what killed runs left: unfinished points, half-written files; returns it. Raises OSError."""
        found = []
        if self.points.is_dir() and not self.points.is_symlink():
            found = sorted(path for path in self.points.glob(f"{PARTIAL}*") if ownership.is_mine(path))
            for path in found:
                files.remove(path)
        for folder in (self.directory, self.points, *(self.directory / name for name in _FOLDERS)):
            found += ownership.remove_drafts(folder)
        return found

    def outcome(self, point_id: str) -> Outcome | None:
        """How the point ended, as it was noted; None if it is not finished, or nobody can read it."""
        try:
            return read_outcome(self.points / point_id)
        except AnalysisError:
            return None

    def is_ok(self, point_id: str) -> bool:
        """Whether the point is finished and its outcome is ok."""
        outcome = self.outcome(point_id)
        return outcome is not None and outcome.ok

    def is_unfinished(self) -> bool:
        """Whether a point is missing or failed, or the run did not come to its end."""
        return not self.manifest.is_complete or not all(map(self.is_ok, self.manifest.points))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one who works in the directory; raises `UsageError` if somebody else does."""
        try:
            file = ownership.open_lock(self.directory / LOCK)
        except OSError as error:
            raise _not_writable(self.directory, error) from error
        with file:
            # `testbed clean` holds it for a moment.
            deadline = time.monotonic() + _LOCK_S
            while not try_lock(file):
                if time.monotonic() >= deadline:
                    raise UsageError(f"{self.directory}: another testbed run works in it", hint="wait for it")
                time.sleep(0.02)
            yield

    @contextlib.contextmanager
    def idle(self) -> Iterator[bool]:
        """Whether nobody works in the directory; if so, nobody begins to until the block ends."""
        try:
            file = ownership.open_lock(self.directory / LOCK, create=False)
        except FileNotFoundError:  # nobody ever did
            yield True
            return
        except OSError:  # whatever it is, it is not our lock
            yield False
            return
        with file:
            yield try_lock(file)

    def link_latest(self) -> Path:
        """Point `latest` beside the run's directory to it, in one step; raises `PrerequisiteError`."""
        link = self.directory.parent / LATEST
        try:
            files.link(link, self.directory.name)
        except OSError as error:
            raise _not_writable(link, error) from error
        return link

    def _partial(self, point_id: str) -> Path:
        if not is_point_id(point_id):
            raise UsageError(f"{point_id!r} cannot name a point", hint="letters, digits, '.', '_', '+' and '-'")
        return self.points / f"{PARTIAL}{point_id}"


def create(
    directory: Path, points: Sequence[str], fields: Mapping[str, object], needed_bytes: int = SPACE_BYTES
) -> RunStore:
    """Make a new run's directory; it must be new or empty, and have room for so much (`SPACE_BYTES` at most).

    Raises `UsageError` if it has something in it or is none, `PrerequisiteError` if it cannot be written or is short of
    space.
    """
    if why := files.why_no_directory(directory):
        raise UsageError(f"{directory}: {why}", hint="name a new directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory}: not empty", hint="name a new directory, or continue with --resume")
        require_space(directory, needed_bytes)
        (directory / "points").mkdir()
    except OSError as error:
        raise _not_writable(directory, error) from error
    first = {"version": VERSION, "state": "running", **fields, "points": list(points)}
    store = RunStore(directory, RunManifest.model_validate(first))
    try:
        for name in (MANIFEST, LOCK):
            ownership.note(directory / name)
    except OSError as error:
        raise _not_writable(directory, error) from error
    store.update()
    return store


def open_run(directory: Path) -> RunStore:
    """The run in a directory; raises `UsageError` if there is none, `ConfigError` if its manifest cannot be read."""
    path = directory / MANIFEST
    try:
        read = manifest.read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{directory}: not a run directory: it has no {MANIFEST}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(path, None, str(error)) from error
    for folder in ("points", *_FOLDERS):
        if (directory / folder).is_symlink():
            raise UsageError(f"{directory / folder}: a link, which is not followed")
    return RunStore(directory, read)


def runs(results: Path, tell: Callable[[str], None] = lambda _why: None) -> list[RunStore]:
    """The readable runs in a results directory, the newest first by when they were started.

    What has a manifest and is no run that can be used is left out; `tell` hears of each, in one line. Links are not
    followed, neither the results directory itself nor what lies in it.
    """
    found = []
    for directory in [] if results.is_symlink() else sorted(results.glob("*")):
        if directory.is_symlink() or not directory.is_dir() or not os.path.lexists(directory / MANIFEST):
            continue
        try:
            found.append(open_run(directory))
        except (UsageError, ConfigError) as error:
            tell(str(error))
    return sorted(found, key=lambda run: (run.manifest.started_at or "", run.directory.name), reverse=True)


def _files_in(directory: Path) -> list[str]:
    """The files (and links) below a directory of ours, by their paths in it: what may be removed with it later."""
    found = (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted({recorded_name(path, directory) for path in found} | {OUTCOME})


def recorded_name(path: Path, directory: Path) -> str:
    """A path in a directory as the record has it: text, also where the name is no UTF-8."""
    return os.fsencode(path.relative_to(directory)).decode(errors="backslashreplace")


def require_space(directory: Path, needed_bytes: int = SPACE_BYTES) -> None:
    """Raise `PrerequisiteError` unless there is room for a run's captures: for so much, but `SPACE_BYTES` will do."""
    free, needed = shutil.disk_usage(directory).free, min(needed_bytes + RESERVE_BYTES, SPACE_BYTES)
    if free < needed:
        raise PrerequisiteError(
            f"{directory}: {free / 1e9:.1f} GB free, this run needs {needed / 1e9:.1f} GB",
            hint="make room, or name a directory elsewhere with --out",
        )


def _not_writable(path: Path, error: OSError) -> PrerequisiteError:
    return PrerequisiteError(
        f"{path}: cannot be written: {error.strerror or error}", hint="name another directory with --out"
    )
