"""The kernel's own log, a record at a time: how each of those who look into it reads it.

Source: Documentation/ABI/testing/dev-kmsg. Needs the standard library alone: the first process of a guest uses it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

KMSG = "/dev/kmsg"
_RECORD_BYTES = 8192


def open_log(*, at_end: bool = False) -> int:
    """The descriptor of the log, at its oldest record or behind the newest; raises OSError where it cannot be read."""
    handle = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if at_end:
        os.lseek(handle, 0, os.SEEK_END)
    return handle


def records(handle: int, overwritten: str = "") -> Iterator[str]:
    """What has come since the last look: `level,number,microseconds,flags;message`, and lines of further facts.

    Records that the kernel has overwritten before they were read are passed over, or the record `overwritten` is in
    their place.
    """
    with contextlib.suppress(BlockingIOError):
        while True:
            try:
                record = os.read(handle, _RECORD_BYTES)
            except BrokenPipeError:  # the next one is the oldest that is left
                if overwritten:
                    yield overwritten
                continue
            yield record.decode(errors="replace")


def message_of(record: str) -> str:
    """What a record says."""
    return record.partition(";")[2].partition("\n")[0]
