"""The wait for a job that prints faster than anybody takes it: its limit and Ctrl-C come all the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from testbed.base.errors import RunInterrupted
from testbed.labs.base import Cancel
from testbed.labs.waiting import Follower, wait_for_end

PIECE = bytes(1 << 16)


class Printing:
    """A job that prints two pieces for each that is taken, until it is ended."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._file.write(PIECE)
        self.taken = 0
        self._status: int | None = None

    def take(self, _data: bytes) -> None:
        self.taken += 1
        assert self.taken < 1000
        if self._status is None:
            self._file.write(2 * PIECE)

    def poll(self) -> int | None:
        return self._status

    def release(self) -> None:
        self._status = 0


def test_its_limit_ends_it_and_all_that_it_has_printed_is_passed_on(tmp_path: Path) -> None:
    cancel, job = Cancel(), Printing(tmp_path / "out")
    follower = Follower(tmp_path / "out", job.take, cancel)
    ended = wait_for_end(
        job, began_s=time.monotonic() - 2, wall_limit_s=1, cancel=cancel, followers=[follower], terminal=None
    )
    follower.close()
    assert ended.wall_limit_hit
    assert job.taken == 16 + 17  # a megabyte until the limit was looked at


def test_who_interrupts_it_does_not_wait_for_the_rest(tmp_path: Path) -> None:
    cancel, job = Cancel(), Printing(tmp_path / "out")
    follower = Follower(tmp_path / "out", job.take, cancel)
    assert follower.pump() and follower.pump()
    cancel.set()
    with pytest.raises(RunInterrupted):
        wait_for_end(
            job, began_s=time.monotonic(), wall_limit_s=100, cancel=cancel, followers=[follower], terminal=None
        )
    follower.close()
    assert job.taken == 16 + 16 + 16


def test_what_is_passed_on_is_all_and_in_order(tmp_path: Path) -> None:
    said, path = bytearray(), tmp_path / "out"
    path.write_bytes(content := b"".join(b"%07d\n" % number for number in range(400_000)))
    follower = Follower(path, said.extend, Cancel())
    assert follower.pump()
    follower.close()
    assert said == content
