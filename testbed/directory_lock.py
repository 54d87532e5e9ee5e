"""Whether somebody is still at work in a directory: a lock on the directory itself.

A subreaper (`testbed.reaped_process`) has it from before it starts until it has ended everything, even when the
toolkit is long dead. So whoever tidies up after a killed run can wait for the subreaper, and needs no process id for
it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

TIMEOUT_S = 20.0
"""How long a subreaper may take to end a guest on a busy machine; usually it is done in a tenth of a second."""

_POLL_S = 0.02


def hold(directory: Path) -> int:
    """A file descriptor that holds the directory until it is closed here and in every process that inherits it."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # A network file system may not lock directories: then only process ids tell who is alive.
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def wait_until_free(directory: Path, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether nobody holds the directory, or stops to within `timeout_s` seconds; one that is gone is free."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_POLL_S)
            except OSError:
                return True
            else:
                return True
    finally:
        os.close(handle)
