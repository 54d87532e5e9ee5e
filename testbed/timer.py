"""A timer that a program waits for beside its sockets, exact to the nanosecond (timerfd_create(2)).

The time limit of select(2) may be late by a thousandth of itself.
"""

from __future__ import annotations

import ctypes
import os
from typing import Self

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class _Setting(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "seconds", "nanoseconds"))


class Timer:
    """Can be read once its moment has come; a context manager."""

    def __init__(self) -> None:
        self._file = _libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def fileno(self) -> int:
        """Its descriptor, for select."""
        return int(self._file)

    def set(self, at_ns: int) -> None:
        """Wait for that moment of the monotonic clock, and forget any other; one that has passed comes at once."""
        seconds, nanoseconds = divmod(max(at_ns, 1), 10**9)
        setting = _Setting(0, 0, seconds, nanoseconds)
        if _libc.timerfd_settime(self._file, _ABSOLUTE, ctypes.byref(setting), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
