"""The lab's clock: a point's workload starts at a whole second of it, whatever came before took."""

from __future__ import annotations

import ctypes
import time

from testbed.errors import TestbedError

_CLOCK_MONOTONIC = 1
_TIMER_ABSTIME = 1
_PR_SET_TIMERSLACK = 29
_EXACT_NS, _DEFAULT_NS = 1, 0


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def wait_for_whole_second() -> None:
    """Sleep until the monotonic clock reads a whole second, to the nanosecond.

    In virtual time every look at the clock costs 256 ns of it (`timer_read` in arch/um/kernel/time.c), and Python looks
    whenever it takes a lock. So whether a module is compiled already moves everything after it by microseconds:
    enough for other sequence numbers, and from there for another run. Waiting costs no wall time there.
    `time.sleep` is not exact: it takes a number of seconds from now, with a slack of 50 us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    until = _Timespec(time.monotonic_ns() // 10**9 + 1, 0)
    libc.prctl(_PR_SET_TIMERSLACK, _EXACT_NS)
    status = libc.clock_nanosleep(_CLOCK_MONOTONIC, _TIMER_ABSTIME, ctypes.byref(until), None)
    libc.prctl(_PR_SET_TIMERSLACK, _DEFAULT_NS)
    if status != 0:
        raise TestbedError(f"clock_nanosleep ended with error {status}")
