"""What the toolkit may leave behind when it is killed, and its removal: nothing that was not ours, or is in use."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from testbed import holding
from testbed.errors import PrerequisiteError
from testbed.kernel.cache import Cache
from testbed.kernel.source import ARRIVING
from testbed.labs import cores
from testbed.labs.uml import RUNTIME_PREFIX
from testbed.store import LATEST, runs

# The process id tells ours from others with the same prefix (the directory of the cores' locks has none).
_DRAFT = re.compile(r"\..+\.(\d+)")
_RUNTIME = re.compile(re.escape(RUNTIME_PREFIX) + r"(\d+)-")


def remove_runtimes(directory: Path | None = None) -> list[Path]:
    """Remove the runtime directories of processes that have ended; returns them.

    A guest whose process was killed is ended by its keeper: it is waited for, so that nothing of it runs afterwards.
    """
    removed = []
    for path in sorted((directory or Path(tempfile.gettempdir())).glob(f"{RUNTIME_PREFIX}*")):
        match = _RUNTIME.match(path.name)
        if match and _is_mine(path) and not _is_alive(int(match[1])) and holding.comes_free(path):
            _remove(path)
            removed.append(path)
    return removed


def remove_core_locks() -> list[Path]:
    """Remove the locks of cores that nobody has, and their directory if that was all; returns it."""
    return cores.remove_unused()


def remove_partials(results: Path) -> list[Path]:
    """Remove the unfinished points and half-written files of runs at which nobody works; returns them."""
    removed = []
    for run in runs(results):
        with run.idle() as mine:
            if mine:
                removed += [*run.remove_partials(), *_remove_drafts(run.directory)]
                for folder in run.directory.iterdir():
                    if folder.is_dir() and folder != run.points:
                        removed += _remove_drafts(folder)
    return [*removed, *_remove_drafts(results, LATEST)]


def remove_builds(cache: Cache) -> list[Path]:
    """Remove what killed builds and downloads left in the cache; returns it."""
    removed = [path for shelf in (cache.shelf, cache.selftests) for path in shelf.remove_leftovers()]
    for path in cache.downloads.glob(f"{ARRIVING}*"):
        pid = path.name.removeprefix(ARRIVING)
        if pid.isdecimal() and not _is_alive(int(pid)):
            _remove(path)
            removed.append(path)
    return removed


def remove_results(results: Path) -> list[Path]:
    """Remove the runs in a results directory, and the directory if nothing else is in it; returns them."""
    removed = []
    for run in runs(results):
        with run.idle() as mine:
            if mine:
                _remove(run.directory)
                removed.append(run.directory)
    latest = results / LATEST
    if latest.is_symlink() and not latest.exists():
        latest.unlink()
    if removed and not any(results.iterdir()):
        results.rmdir()
    return removed


def remove_kernels(cache: Cache) -> list[Path]:
    """Remove the finished kernels and their selftests from the cache (not the downloads); returns them."""
    removed = [*(cache.kernels / kernel.id for kernel in cache.all()), *cache.selftests.finished()]
    for path in removed:
        _remove(path)
    return removed


def _remove_drafts(folder: Path, name: str = "*") -> list[Path]:
    """Remove the files that dead processes were about to rename: `.NAME.PID`."""
    removed = []
    for path in folder.glob(f".{name}.*"):
        match = _DRAFT.fullmatch(path.name)
        if match and not (path.is_dir() and not path.is_symlink()) and not _is_alive(int(match[1])):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _is_mine(path: Path) -> bool:
    try:
        state = path.lstat()
    except FileNotFoundError:  # a keeper has removed it just now
        return False
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    while os.path.lexists(path):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:  # somebody else removes it, too
            continue
        except OSError as error:
            raise PrerequisiteError(f"{path}: cannot be removed: {error.strerror}") from error
