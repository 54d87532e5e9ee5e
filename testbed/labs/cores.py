"""One guest per core: a lease on a core that holds across all processes of this user.

User-Mode Linux hands over between its kernel and its processes by ptrace; on one core that costs
a context switch, across cores a wake-up, so a guest that is not pinned is several times slower.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed.labs.base import Cancel

_RETRY_S = 0.2


def available() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def _lock_directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"mptcp-testbed-cores-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


@contextlib.contextmanager
def lease(cancel: Cancel, patience_s: float = math.inf) -> Iterator[int]:
    """A core of one's own until the block ends; waits up to `patience_s` seconds for one to come free.

    Yields a core that others use too once patience has run out. The kernel drops the lock if its holder dies.
    """
    directory = _lock_directory()
    waited = 0.0
    while True:
        for core in available():
            handle = os.open(directory / f"core-{core}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                continue
            try:
                yield core
            finally:
                os.close(handle)
            return
        cancel.raise_if_set()
        if waited >= patience_s:
            yield available()[os.getpid() % len(available())]
            return
        cancel.wait(_RETRY_S)
        waited += _RETRY_S
