"""What this machine's kernel complains of while a job runs: the lines of its log that came meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from testbed.labs.kernel_messages import message_of, open_log, records
from testbed.labs.verdict import complaints


class Watch:
    """A place in the kernel's log; -1 for a log that cannot be read."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: list[str] = []

    def complaints(self) -> tuple[str, ...]:
        """The lines since the start that say something went wrong in the kernel, each once."""
        if self._handle >= 0:
            self._lines += map(message_of, records(self._handle))
        return complaints(self._lines)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Read the kernel's log from now on, until the block ends."""
    handle = -1
    with contextlib.suppress(OSError):
        handle = open_log(at_end=True)
    try:
        yield Watch(handle)
    finally:
        if handle >= 0:
            os.close(handle)
