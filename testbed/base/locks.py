"""An advisory lock (flock(2)) that is taken if nobody has it; the kernel drops it with its holder's last descriptor."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def try_lock(file: int | IO[Any]) -> bool:
    """Have the lock of this open file for oneself; False at once if somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
