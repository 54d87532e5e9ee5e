"""A fresh start in virtual time: whatever came before, what follows meets the same clock and random numbers."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import time
from pathlib import Path

from testbed.base.errors import TestbedError

_CLOCK_MONOTONIC = 1
_TIMER_ABSTIME = 1
_PR_SET_TIMERSLACK = 29
_EXACT_NS, _DEFAULT_NS = 1, 0
_RNDRESEEDCRNG = 0x5207  # include/uapi/linux/random.h

SEED_FILE = "/proc/rng_seed"
"""Where the seed of a lab kernel's random numbers is set again (patch 0013)."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def start_afresh() -> None:
    """Wait for the next whole second of the guest's clock, then have its kernel reseed its random numbers.

    Every look at the clock costs 256 ns of virtual time (`timer_read` in arch/um/kernel/time.c), and Python looks
    whenever it takes a lock; every process that starts draws random numbers. So a module that is compiled already,
    or a checkout in another place, would give a workload another clock and other numbers, and soon other packets.
    The new seed follows from the guest's own (patch 0005); the wait costs no wall time. Needs root.

    From here on Python collects no garbage by itself: what it finalizes takes locks, and when it comes depends on how
    many objects there are, so on every line of the toolkit. It comes when `collect_garbage` is called.
    """
    gc.collect()
    gc.freeze()  # what is there now need not be looked at again: a later collection takes no time of the host's
    gc.disable()
    _wait_for_whole_second()
    with Path("/dev/urandom").open("rb", buffering=0) as device:
        fcntl.ioctl(device, _RNDRESEEDCRNG)


def set_seed(seed: int) -> None:
    """Let the random numbers follow from this seed, from the next `start_afresh` on, and no more from the boot's own.

    A lab kernel that cannot do it was booted with this seed. Needs root; raises OSError.
    """
    with contextlib.suppress(FileNotFoundError), Path(SEED_FILE).open("w") as file:
        file.write(str(seed))


def collect_garbage() -> None:
    """Collect garbage now, if Python does not do it by itself any more: at a moment that the lab's clock has chosen."""
    if not gc.isenabled():
        gc.collect()


def _wait_for_whole_second() -> None:
    """Exact to the nanosecond; `time.sleep` counts from now, and with a slack of 50 us."""
    libc = ctypes.CDLL(None, use_errno=True)
    until = _Timespec(time.monotonic_ns() // 10**9 + 1, 0)
    libc.prctl(_PR_SET_TIMERSLACK, _EXACT_NS)
    status = libc.clock_nanosleep(_CLOCK_MONOTONIC, _TIMER_ABSTIME, ctypes.byref(until), None)
    libc.prctl(_PR_SET_TIMERSLACK, _DEFAULT_NS)
    if status != 0:
        raise TestbedError(f"clock_nanosleep ended with error {status}")
