"""A job on another machine that prints faster than the connection, or who reads it, takes: nobody else waits for it."""

from __future__ import annotations

import queue
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.base.errors import RunInterrupted
from testbed.labs.base import Cancel
from testbed.labs.ssh.job_channel import FollowedJob, JobChannel
from testbed.labs.ssh.lab import SshLab
from testbed.labs.ssh.reconnection import Timeouts
from testbed.labs.ssh.remote import layout, protocol, serve

PIECE_BYTES = 32768
END = {"result": {}}


@pytest.fixture
def job(tmp_path: Path) -> serve.Followed:
    """One that has ended, after it has printed six pieces."""
    (tmp_path / "stdout").write_bytes(bytes(6 * PIECE_BYTES))
    (tmp_path / layout.END).write_text('{"result": {}}')
    return serve.Followed(tmp_path, dict.fromkeys(protocol.STREAMS, 0))


def test_a_few_pieces_are_sent_at_once_and_the_end_comes_behind_the_last(job: serve.Followed) -> None:
    first, second = ([header for header, _ in job.events()] for _ in range(2))
    assert [header["offset"] for header in first] == [0, PIECE_BYTES, 2 * PIECE_BYTES, 3 * PIECE_BYTES]
    assert [header.get("offset", header.get("end")) for header in second] == [4 * PIECE_BYTES, 5 * PIECE_BYTES, END]


def test_of_a_job_that_is_to_end_only_the_end_is_sent(job: serve.Followed) -> None:
    job.is_cancelled = True
    assert list(job.events()) == [({"job": job.folder.name, "end": END}, b"")]


class Endless:
    """The events of a job that prints until it is cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self, followed: FollowedJob) -> None:
        followed.cancelled = self.is_cancelled = True

    def get(self, timeout: float) -> tuple[str, Any]:
        return ("end", END) if self.is_cancelled else ("stdout", b"y\n")


def test_a_job_that_always_prints_can_be_interrupted() -> None:
    cancel, events, taken = Cancel(), Endless(), []

    def take(data: bytes) -> None:
        taken.append(data)
        if len(taken) == 10:
            cancel.set()
        assert len(taken) < 1000

    lab = SshLab.__new__(SshLab)
    lab.job_channel = SimpleNamespace(cancel=events.cancel, is_up=True)  # type: ignore[assignment]
    followed = FollowedJob("owner-1", events=events)  # type: ignore[arg-type]
    with pytest.raises(RunInterrupted):
        lab._follow(followed, {"stdout": take}, cancel)
    assert len(taken) == 10


class Channel:
    """The other side's words, and then silence."""

    def __init__(self, *said: bytes) -> None:
        self._said = list(said)

    def recv(self, _count: int) -> bytes:
        if self._said:
            return self._said.pop(0)
        time.sleep(0.01)
        raise TimeoutError

    def settimeout(self, _seconds: float) -> None:
        pass

    def sendall(self, _data: bytes) -> None:
        pass


def test_who_reads_slowly_does_not_lose_the_connection() -> None:
    greeting, timeouts = protocol.greeting("toolkit"), Timeouts(heartbeat_s=0.05, silence_s=0.5, retry_s=1, lease_s=2)
    channel = JobChannel(None, "", greeting, timeouts)  # type: ignore[arg-type]
    channel._followed["a"] = followed = FollowedJob("a", events=queue.Queue(2))
    pieces = (protocol.frame({"job": "a", "stream": "stdout", "offset": n}, b"x") for n in range(4))
    theirs = Channel(protocol.frame({"hello": greeting}), b"".join(pieces))
    connection = SimpleNamespace(address="box", close=lambda: None, is_open=True)
    with ThreadPoolExecutor(1) as pool:
        exchange = pool.submit(channel._exchange, connection, theirs)  # type: ignore[arg-type]
        try:
            time.sleep(0.8)  # longer than a silence may be
            assert [followed.events.get(timeout=5) for _ in range(4)] == [("stdout", b"x")] * 4
            time.sleep(0.2)
        finally:
            channel._closing.set()
        exchange.result()
