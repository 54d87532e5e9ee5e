"""mount(2), umount(2): one mount by one system call, without a program. Linux only; OSError has the target."""

from __future__ import annotations

import ctypes
import os

RDONLY, NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def unmount(target: str) -> None:
    """Take away what is mounted at `target`."""
    if _libc.umount2(os.fsencode(target), 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, *, data: str | None = None) -> None:
    """Mount a file system of this kind at `target`; `data` are its own options."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), None if data is None else os.fsencode(data)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
