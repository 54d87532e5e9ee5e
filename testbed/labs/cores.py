"""One guest per core: a lease on a core that holds across all processes of this user.

User-Mode Linux hands over between its kernel and its processes by ptrace; on one core that costs
a context switch, across cores a wake-up, so a guest that is not pinned is several times slower.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from testbed.base.errors import PrerequisiteError
from testbed.labs.base import Cancel

_RETRY_S = 0.2
_TELL_S = 3.0
_QUEUE = "queue"
_LEFT_FREE = 10
"""Who is next and does not take a core that is free so many times has been stopped: others go on."""
_CURE = "remove it, or set TMPDIR to a directory of your own"


def available() -> list[int]:
    """The cores that this process may use."""
    if sys.platform != "linux":  # where captures are analysed, too
        return list(range(os.cpu_count() or 1))
    return sorted(os.sched_getaffinity(0))


def _lock_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"mptcp-testbed-cores-{os.getuid()}"


def _take(core: int | str) -> int | None:
    """The open lock of a core, or of the queue for one; None if somebody has it."""
    directory = _lock_directory()
    while True:
        try:
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o700)
            _require_own(directory)
            handle = os.open(directory / f"core-{core}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # `remove_unused` was there in between
            continue
        except OSError as error:
            raise PrerequisiteError(
                f"{directory}: the locks of cores cannot be kept there: {error.strerror or error}", hint=_CURE
            ) from error
        if not _try_lock(handle):
            os.close(handle)
            return None
        if os.fstat(handle).st_nlink:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)  # for `holders`
            return handle
        os.close(handle)


def _require_own(directory: Path) -> None:
    """Raise `PrerequisiteError` for a directory in which others could play with our locks; FileNotFoundError for none.

    It lies where everybody may make one, and by a name that everybody knows.
    """
    state = directory.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise PrerequisiteError(f"{directory}: not a directory that only you can write to", hint=_CURE)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_unused() -> list[Path]:
    """Remove the locks that nobody has, and their directory if that was all; returns what of it is a directory."""
    directory = _lock_directory()
    try:
        _require_own(directory)
    except (FileNotFoundError, PrerequisiteError):
        return []
    for path in directory.glob("core-*"):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            # Unlinked while it is ours: whoever opened it before sees that it has no name any more.
            if _try_lock(handle):
                path.unlink(missing_ok=True)
            os.close(handle)
    try:
        directory.rmdir()
    except OSError:
        return []
    return [directory]


def holders() -> list[int]:
    """The processes that have a core, by their ids, as they have said themselves."""
    found = set()
    for core in available():
        with contextlib.suppress(OSError, ValueError):
            found.add(int((_lock_directory() / f"core-{core}").read_text(encoding="ascii")[:20]))
    return sorted(found)


@contextlib.contextmanager
def lease(cancel: Cancel, core_wait_s: float = math.inf, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """A core of one's own until the block ends; waits up to `core_wait_s` seconds for one to come free.

    Yields a core that others use too once that is over. The kernel drops the lock if its holder dies. `waiting` is
    called once if it takes longer than those who are just leaving need. Who has waited longest is not overtaken by
    those who had a core and want the next one at once.
    """
    waited = 0.0
    is_told = False
    with contextlib.ExitStack() as stack:
        with contextlib.closing(_Place()) as place:
            while (core := place.core(stack)) is None:
                cancel.raise_if_set()
                if waited >= core_wait_s:
                    break
                if waited >= _TELL_S and not is_told:
                    is_told = True
                    waiting()
                cancel.wait(_RETRY_S)
                waited += _RETRY_S
        yield available()[os.getpid() % len(available())] if core is None else core


class _Place:
    """Somebody's place among those who wait for a core."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._left_free = 0

    def core(self, stack: contextlib.ExitStack) -> int | None:
        """A core that is free, with its lock on the stack, if it is this one's turn."""
        if self._next is None:
            self._next = _take(_QUEUE)
        for core in available():
            handle = _take(core)
            if handle is None:
                continue
            self._left_free += 1
            if self._next is None and self._left_free < _LEFT_FREE:
                os.close(handle)
                return None
            stack.callback(os.close, handle)
            return core
        self._left_free = 0
        return None

    def close(self) -> None:
        """Leave the queue."""
        if self._next is not None:
            os.close(self._next)
