"""What the toolkit may leave behind when it is killed, and its removal: nothing that was not ours, or is in use."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from testbed import directory_lock
from testbed.base import files, ownership
from testbed.base.errors import PrerequisiteError
from testbed.kernel.cache import Cache
from testbed.kernel.download import ARRIVING
from testbed.labs import cores, runtime_directory
from testbed.runs import removal
from testbed.runs.store import LATEST, MANIFEST, runs
from testbed.runs.verification import enumerate_names
from testbed.tools import kernel_trace

Tell = Callable[[str], None]

# The process id tells ours from others with the same prefix (the directory of the cores' locks has none).
_BUILD_ID = re.compile(r"[0-9a-f]{12}\Z")
_RUNTIME = re.compile(re.escape(runtime_directory.PREFIX) + r"(\d+)-")


def _say_nothing(_what: str) -> None:
    pass


def remove_runtimes(directory: Path | None = None) -> list[Path]:
    """Remove the runtime directories of processes that have ended; returns them.

    A guest whose process was killed is ended by its subreaper: it is waited for, so that nothing of it runs afterwards.
    """
    removed = []
    for path in sorted((directory or Path(tempfile.gettempdir())).glob(f"{runtime_directory.PREFIX}*")):
        match = _RUNTIME.match(path.name)
        if match and _is_mine(path) and not files.is_alive(int(match[1])) and directory_lock.wait_until_free(path):
            _remove(path)
            removed.append(path)
    return removed


def remove_core_locks() -> list[Path]:
    """Remove the locks of cores that nobody has, and their directory if that was all; returns it."""
    return cores.remove_unused()


def remove_traces() -> list[Path]:
    """Remove the trace that a killed run in the local lab left in this machine's kernel; returns it."""
    return kernel_trace.remove_left()


def remove_partials(results: Path, tell: Tell = _say_nothing) -> list[Path]:
    """Remove the unfinished points and half-written files of runs at which nobody works; returns them.

    `tell` hears, in one line each, of what looks like a run and cannot be one, and of what cannot be removed.
    """
    if not _is_followed(results, tell):
        return []
    removed = []
    # The two runs of a comparison of labs (`testbed agree`) lie together in a directory that is no run.
    nested = [each for each in sorted(results.glob("*")) if not each.is_symlink() and not (each / MANIFEST).exists()]
    for run in [*runs(results, tell), *(run for each in nested for run in runs(each, tell))]:
        with run.idle() as nobody_works, _telling(tell, run.directory):
            if nobody_works:
                removed += run.remove_leftovers()
    for folder in (results, *nested, *(each / "figures" for each in nested)):
        with _telling(tell, folder):
            removed += ownership.remove_drafts(folder, LATEST if folder == results else None)
    return removed


def remove_builds(cache: Cache) -> list[Path]:
    """Remove what killed builds and downloads left in the cache; returns it."""
    stores = (cache.kernel_artifacts, cache.selftest_artifacts, cache.library_artifacts)
    removed = [path for store in stores for path in store.remove_leftovers()]
    for path in cache.downloads.glob(f"{ARRIVING}*"):
        pid = path.name.removeprefix(ARRIVING)
        if pid.isdecimal() and _is_mine(path) and not files.is_alive(int(pid)):
            _remove(path)
            removed.append(path)
    return removed


def remove_results(results: Path, tell: Tell = _say_nothing) -> list[Path]:
    """Remove the runs in a results directory that we made, and the directory if nothing else is in it; returns them.

    Of a run only what we made in it: what else lies there stays, and `tell` hears of it in one line.
    """
    if not _is_followed(results, tell):
        return []
    removed = []
    for run in runs(results):  # `remove_partials` has told of those that are none
        with run.idle() as nobody_works, _telling(tell, run.directory):
            if nobody_works:
                why = removal.why_not_ours(run)
                left = [] if why else removal.remove_run(run)
                if why:
                    tell(f"{run.directory}: {why}")
                elif left:
                    tell(f"{run.directory}: not ours: {enumerate_names([str(path) for path in left])}")
                else:
                    removed.append(run.directory)
    latest = results / LATEST
    if latest.is_symlink() and str(latest.readlink()) in {path.name for path in removed}:
        latest.unlink()
    if removed and not any(results.iterdir()):
        results.rmdir()
    return removed


def remove_kernels(cache: Cache) -> list[Path]:
    """Remove the finished kernels, their selftests and the libraries from the cache; returns them.

    The downloads stay.
    """
    selftests = [
        path for path in cache.selftest_artifacts.finished() if _BUILD_ID.match(path.name) and (path / "mptcp").is_dir()
    ]
    libraries = [
        path for path in cache.library_artifacts.finished() if _BUILD_ID.match(path.name) and any(path.glob("*.so"))
    ]
    kernels = [cache.kernels / kernel.id for kernel in cache.all() if kernel.id == kernel.manifest.id]
    removed = [*kernels, *selftests, *libraries]
    for path in removed:
        _remove(path)
    return removed


def _is_followed(results: Path, tell: Tell) -> bool:
    """Whether the results directory is one; a link may lead to where nothing is ours."""
    if results.is_symlink():
        tell(f"{results}: a link, which is not followed")
    return results.is_dir() and not results.is_symlink()


@contextlib.contextmanager
def _telling(tell: Tell, where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        tell(f"{error.filename or where}: cannot be removed: {error.strerror or error}")


def _is_mine(path: Path) -> bool:
    return ownership.is_mine(path) and path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    try:
        files.remove(path)
    except OSError as error:
        raise PrerequisiteError(f"{path}: cannot be removed: {error.strerror or error}") from error
