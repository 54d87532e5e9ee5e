"""What this machine's kernel complains of while a job runs: the lines of its log that came meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from testbed.labs.verdict import complaints

_RECORD_BYTES = 8192


class Watch:
    """A place in the kernel's log; -1 for a log that cannot be read."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: list[str] = []

    def complaints(self) -> tuple[str, ...]:
        """The lines since the start that say something went wrong in the kernel, each once."""
        with contextlib.suppress(BlockingIOError):
            while self._handle >= 0:
                try:
                    record = os.read(self._handle, _RECORD_BYTES).decode(errors="replace")
                except BrokenPipeError:  # the kernel has overwritten what we had not read yet
                    continue
                self._lines.append(record.partition(";")[2].partition("\n")[0])
        return complaints(self._lines)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Read the kernel's log from now on, until the block ends."""
    handle = -1
    with contextlib.suppress(OSError):
        handle = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(handle, 0, os.SEEK_END)
    try:
        yield Watch(handle)
    finally:
        if handle >= 0:
            os.close(handle)
