"""mount(2), fsmount(2): one mount without a program. Linux only; OSError has the target, or the kind."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

RDONLY, NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18

# The same numbers on every architecture, Linux 5.2 and later (include/uapi/linux/mount.h has the constants).
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC, _CONFIG_CREATE = 1, 6

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, *, data: str | None = None) -> None:
    """Mount a file system of this kind at `target`; `data` are its own options."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), None if data is None else os.fsencode(data)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


@contextlib.contextmanager
def nowhere(kind: str) -> Iterator[Path]:
    """A file system of this kind that is mounted at no place: seen by this process alone, gone with it at the latest.

    Nothing has to be taken away, however the process ends.
    """
    context = _call(_FSOPEN, kind, os.fsencode(kind), _CLOEXEC)
    try:
        _call(_FSCONFIG, kind, context, _CONFIG_CREATE, None, None, 0)
        handle = _call(_FSMOUNT, kind, context, _CLOEXEC, 0)
    finally:
        os.close(context)
    try:
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _call(number: int, kind: str, *arguments: object) -> int:
    done: int = _libc.syscall(number, *arguments)
    if done < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), kind)
    return done
