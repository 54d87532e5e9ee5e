"""What another machine answers is looked at before it is used: bounds, types, and nothing that a terminal obeys."""

from __future__ import annotations

import contextlib
import time
from typing import Any, cast

import pytest

from testbed.base.errors import LabError
from testbed.base.needs import Finding
from testbed.labs.base import JobResult
from testbed.labs.ssh import connection as connections
from testbed.labs.ssh.connection import Connection
from testbed.labs.ssh.remote import protocol
from testbed.labs.ssh.remote.protocol import ProtocolError
from testbed.labs.ssh.rpc import validated


def test_an_error_from_there_cannot_steer_the_terminal() -> None:
    said = {"kind": "LabError", "message": "a\x1b[2J\nb", "hint": "\x9bm\u202e", "console": "one\n\x1btwo"}
    error = protocol.error_from_json(said, "ssh:box")
    assert isinstance(error, LabError)
    assert (error.message, error.hint) == ("ssh:box: a\\x1b[2J\\nb", "\\x9bm\\u202e")
    assert error.console == "one\n\\x1btwo"


@pytest.mark.parametrize(
    "said", [None, 7, [], "x", {}, {"kind": ["LabError"]}, {"kind": "TestbedError", "message": {}}]
)
def test_an_error_that_makes_no_sense_is_still_one(said: object) -> None:
    assert "\n" not in str(protocol.error_from_json(said, "ssh:box"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (JobResult, None),
        (JobResult, {"status": "many", "wall_s": 1, "clock_s": 1}),
        (JobResult, {"status": 0}),
        (list[Finding], [{"name": "x"}]),
        (list[Finding], {"name": "x"}),
        (list[str], [1, {}]),
    ],
)
def test_an_answer_of_another_kind_is_refused(kind: Any, said: object) -> None:
    with pytest.raises(ProtocolError, match="box: its answer makes no sense") as caught:
        validated(kind, said, "box")
    assert "\n" not in str(caught.value)


def test_an_answer_of_the_right_kind_is_taken() -> None:
    said = {"status": 0, "wall_s": 1.5, "clock_s": 1, "kernel_warnings": ["w"], "kernel": "k"}
    assert validated(JobResult, said, "box") == JobResult(0, 1.5, 1.0, ("w",), "k")


class Endless:
    """A channel that never stops talking; it counts what was taken."""

    closed = False
    eof_received = False

    def __init__(self, pause_s: float) -> None:
        self.taken = 0
        self._pause_s = pause_s

    def recv_ready(self) -> bool:
        return True

    def recv_stderr_ready(self) -> bool:
        return False

    def recv_stderr(self, _count: int) -> bytes:
        return b""

    def recv(self, count: int) -> bytes:
        time.sleep(self._pause_s)
        self.taken += count
        return b"x" * count

    def settimeout(self, _seconds: float) -> None:
        pass

    def sendall(self, _data: bytes) -> None:
        pass


class Wire(Connection):
    """A connection whose only channel is that one."""

    def __init__(self, channel: Endless) -> None:
        self.address = cast(Any, "me@box")
        self._channel = channel

    def short_channel(self, _command: str) -> Any:
        return contextlib.nullcontext(self._channel)


def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_ANSWER_BYTES", 1 << 20)
    channel = Endless(0)
    with pytest.raises(LabError, match="an answer of more than 1 MB"):
        Wire(channel).run("x")
    with pytest.raises(LabError, match="an answer of more than 1 MB"):
        Wire(channel)._read_line(cast(Any, channel), 60)
    assert channel.taken < 4 << 20


def test_an_answer_that_drips_is_cut_off_by_the_clock() -> None:
    with pytest.raises(LabError, match=r"no end within 0\.2 s"):
        Wire(Endless(0.05)).run("x", limit_s=0.2)
    with pytest.raises(LabError, match=r"no answer within 0\.2 s"):
        Wire(Endless(0.05))._read_line(cast(Any, Endless(0.05)), 0.2)
