from __future__ import annotations

from typing import cast

import pytest

from testbed.base.errors import RunInterrupted
from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection, ConnectionLost
from testbed.labs.ssh.reconnection import PersistentConnection, Timeouts, pauses


def test_pauses_double_up_to_the_longest_and_add_up_to_the_limit() -> None:
    assert list(pauses(20, first_s=1, longest_s=6)) == [1, 2, 4, 6, 6, 1]
    assert sum(pauses(240)) == 240
    assert list(pauses(0)) == []


def test_a_job_never_ends_while_this_side_still_tries() -> None:
    ours = Timeouts()
    assert ours.lease_s > ours.silence_s + ours.retry_s
    with pytest.raises(ValueError, match="do not fit"):
        Timeouts(heartbeat_s=1, silence_s=3, retry_s=10, lease_s=13)
    with pytest.raises(ValueError, match="do not fit"):
        Timeouts(heartbeat_s=5, silence_s=5)


class Wire:
    """Stands for a connection: open until it is closed."""

    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


SHORT = Timeouts(heartbeat_s=0.01, silence_s=0.02, retry_s=0.3, lease_s=1)


def test_a_broken_connection_is_replaced_and_the_work_repeated() -> None:
    wires = [Wire(), Wire()]
    made: list[Wire] = []

    def connect() -> Connection:
        made.append(wires[len(made)])
        return cast(Connection, made[-1])

    def work(connection: Connection) -> str:
        if cast(Wire, connection) is wires[0]:
            raise ConnectionLost("cut")
        return "done"

    connection = PersistentConnection(connect, SHORT)
    assert connection.use(work) == "done"
    assert made == wires
    assert [wire.is_open for wire in wires] == [False, True]
    assert connection.use(work) == "done"
    assert len(made) == 2


def test_attempts_end_at_the_limit_with_the_last_reason() -> None:
    attempts = []

    def connect() -> Connection:
        attempts.append(1)
        raise ConnectionLost(f"attempt {len(attempts)}")

    with pytest.raises(ConnectionLost, match="attempt 2"):
        PersistentConnection(connect, SHORT).use(lambda _connection: None)  # one pause of 0.3 s


def test_the_wait_for_the_next_attempt_can_be_interrupted() -> None:
    def connect() -> Connection:
        raise ConnectionLost("cut")

    flag = Cancel()
    flag.set()
    with pytest.raises(RunInterrupted):
        PersistentConnection(connect, Timeouts()).use(lambda _connection: None, flag)


def test_a_closed_connection_stays_closed() -> None:
    connection = PersistentConnection(lambda: cast(Connection, Wire()), SHORT)
    connection.open()
    connection.close()
    with pytest.raises(ConnectionLost, match="closed"):
        connection.use(lambda _connection: None)
