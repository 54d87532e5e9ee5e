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
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.errors import ConfigError, PrerequisiteError, UsageError
from testbed.locks import try_lock

VERSION = 1
MANIFEST = "run.json"
OUTCOME = "outcome.json"
LATEST = "latest"
PARTIAL = ".partial-"
SPACE_BYTES = 2_000_000_000

_LOCK = ".lock"
_LOCK_S = 1.0
# A point's id becomes a directory's name, and `..` would leave the run.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all; raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class RunStore:
    """One run's directory; make it with `create` or `open_run`."""

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.directory = directory
        self.manifest = manifest

    @property
    def points(self) -> Path:
        """Where the points' directories lie."""
        return self.directory / "points"

    def update(self, **fields: object) -> None:
        """Change fields of the manifest, on disk too; raises `PrerequisiteError`."""
        self.manifest.update(fields)
        try:
            write_json(self.directory / MANIFEST, self.manifest)
        except OSError as error:
            raise _not_writable(self.directory, error) from error

    def begin(self, point_id: str) -> Path:
        """A new, empty directory for a point that is about to run; raises OSError."""
        partial = self._partial(point_id)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return partial

    def finish(self, point_id: str, outcome: Mapping[str, object]) -> Path:
        """Write the outcome and give the directory its final name (a failed one there makes way); raises OSError."""
        partial, final = self._partial(point_id), self.points / point_id
        write_json(partial / OUTCOME, dict(outcome))
        if final.exists():
            shutil.rmtree(final)
        return partial.rename(final)

    def abandon(self, point_id: str) -> None:
        """Remove what a point that did not come to its end has left."""
        shutil.rmtree(self._partial(point_id), ignore_errors=True)

    def remove_partials(self) -> list[Path]:
        """Remove what killed runs left among the points; returns the removed directories."""
        found = sorted(self.points.glob(f"{PARTIAL}*"))
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return found

    def is_ok(self, point_id: str) -> bool:
        """Whether the point is finished and its outcome is ok."""
        try:
            outcome = json.loads((self.points / point_id / OUTCOME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(outcome, dict) and outcome.get("status") == "ok"

    def is_unfinished(self) -> bool:
        """Whether a point is missing or failed, or the run did not come to its end."""
        return self.manifest.get("state") != "complete" or not all(map(self.is_ok, self.manifest.get("points", [])))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one who works in the directory; raises `UsageError` if somebody else does."""
        try:
            file = (self.directory / _LOCK).open("a")
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
            file = (self.directory / _LOCK).open("r")
        except OSError:  # nobody ever did
            yield True
            return
        with file:
            yield try_lock(file)

    def link_latest(self) -> Path:
        """Point `latest` beside the run's directory to it, in one step; raises `PrerequisiteError`."""
        link = self.directory.parent / LATEST
        draft = link.with_name(f".{LATEST}.{os.getpid()}")
        try:
            draft.unlink(missing_ok=True)
            draft.symlink_to(self.directory.name)
            draft.replace(link)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise _not_writable(link, error) from error
        return link

    def _partial(self, point_id: str) -> Path:
        if not _ID.match(point_id):
            raise UsageError(f"{point_id!r} cannot name a point", hint="letters, digits, '.', '_', '+' and '-'")
        return self.points / f"{PARTIAL}{point_id}"


def create(directory: Path, points: Sequence[str], fields: Mapping[str, object]) -> RunStore:
    """Make a new run's directory; it must be new or empty.

    Raises `UsageError` if it has something in it, `PrerequisiteError` if it cannot be written or is short of space.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory}: not empty", hint="name a new directory, or continue with --resume")
        require_space(directory)
        (directory / "points").mkdir()
    except OSError as error:
        raise _not_writable(directory, error) from error
    store = RunStore(directory, {"version": VERSION, "state": "running", **fields, "points": list(points)})
    store.update()
    return store


def open_run(directory: Path) -> RunStore:
    """The run in a directory; raises `UsageError` if there is none, `ConfigError` if its manifest cannot be read."""
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{directory}: not a run directory: it has no {MANIFEST}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(path, None, "not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        raise ConfigError(path, None, f"not the manifest of a run of version {VERSION}")
    return RunStore(directory, manifest)


def runs(results: Path) -> list[RunStore]:
    """The readable runs in a results directory, the newest first by when they were started."""
    found = []
    for path in results.glob(f"*/{MANIFEST}"):
        if not path.parent.is_symlink():
            with contextlib.suppress(UsageError, ConfigError):
                found.append(open_run(path.parent))
    return sorted(found, key=lambda run: (str(run.manifest.get("started_at", "")), run.directory.name), reverse=True)


def require_space(directory: Path) -> None:
    """Raise `PrerequisiteError` unless there is room for a run's captures."""
    free = shutil.disk_usage(directory).free
    if free < SPACE_BYTES:
        raise PrerequisiteError(
            f"{directory}: {free / 1e9:.1f} GB free, a run needs {SPACE_BYTES / 1e9:.0f} GB",
            hint="make room, or name a directory elsewhere with --out",
        )


def _not_writable(path: Path, error: OSError) -> PrerequisiteError:
    return PrerequisiteError(
        f"{path}: cannot be written: {error.strerror or error}", hint="name another directory with --out"
    )
