"""What the toolkit may leave behind when it is killed, and its removal: nothing that was not ours, or is in use."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from testbed.errors import PrerequisiteError
from testbed.kernel.cache import Cache
from testbed.labs.uml import RUNTIME_PREFIX
from testbed.store import LATEST, runs

# The process id tells ours from others with the same prefix (the directory of the cores' locks has none).
_RUNTIME = re.compile(re.escape(RUNTIME_PREFIX) + r"(\d+)-")


def remove_runtimes(directory: Path | None = None) -> list[Path]:
    """Remove the runtime directories of processes that have ended; returns them."""
    removed = []
    for path in sorted((directory or Path(tempfile.gettempdir())).glob(f"{RUNTIME_PREFIX}*")):
        match = _RUNTIME.match(path.name)
        if match and not path.is_symlink() and path.stat().st_uid == os.getuid() and not _is_alive(int(match[1])):
            _remove(path)
            removed.append(path)
    return removed


def remove_partials(results: Path) -> list[Path]:
    """Remove the unfinished points of runs at which nobody works; returns them."""
    return [path for run in runs(results) if not run.is_locked() for path in run.remove_partials()]


def remove_builds(cache: Cache) -> list[Path]:
    """Remove what killed builds left in the cache; returns it."""
    return [path for shelf in (cache.shelf, cache.selftests) for path in shelf.remove_leftovers()]


def remove_results(results: Path) -> list[Path]:
    """Remove the runs in a results directory, and the directory if nothing else is in it; returns them."""
    removed = []
    for run in runs(results):
        if not run.is_locked():
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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise PrerequisiteError(f"{path}: cannot be removed: {error.strerror}") from error
