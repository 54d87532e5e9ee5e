"""Every reader of the kernel's log goes on behind records that were overwritten before they were read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from testbed.labs import guest, kernel_log, kernel_messages

FIRST = b"6,1,1500000,-;first\n SUBSYSTEM=net\n"
LAST = b"12,9,2500000,-;WARNING: CPU: 0 at x.c:1\n"


class Log:
    """A kernel's log that overwrites all but its first and last record before anybody reads them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: Iterator[bytes | int] = iter((FIRST, errno.EPIPE, errno.EPIPE, LAST))
        monkeypatch.setattr(kernel_messages, "open_log", self.open)
        for reader in (guest, kernel_log):
            monkeypatch.setattr(reader, "open_log", self.open)
        monkeypatch.setattr(os, "read", self.read)

    def open(self, *, at_end: bool = False) -> int:
        return os.open(os.devnull, os.O_RDONLY)

    def read(self, _handle: int, _most: int) -> bytes:
        found = next(self._left, errno.EAGAIN)
        if isinstance(found, int):
            raise OSError(found, os.strerror(found))
        return found


def test_the_log_of_a_guest_has_what_came_after(monkeypatch: pytest.MonkeyPatch) -> None:
    Log(monkeypatch)
    assert guest.kernel_log() == "<6>[    1.500000] first\n<4>[    2.500000] WARNING: CPU: 0 at x.c:1\n"


def test_the_watch_of_this_machine_hears_what_came_after(monkeypatch: pytest.MonkeyPatch) -> None:
    Log(monkeypatch)
    with kernel_log.watched() as watch:
        assert watch.complaints() == ("WARNING: CPU: 0 at x.c:1",)


def test_who_has_to_know_is_told_that_records_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(monkeypatch)
    found = [kernel_messages.message_of(each) for each in kernel_messages.records(log.open(), ";gone")]
    assert found == ["first", "gone", "gone", "WARNING: CPU: 0 at x.c:1"]
