"""A persistent connection to a host: one for everybody, made again when it breaks, with growing pauses and a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection, ConnectionLost

T = TypeVar("T")


@dataclass(frozen=True)
class Timeouts:
    """How long who waits for whom, in seconds.

    Both sides say every `heartbeat_s` that they are there; after `silence_s` without a word the connection counts as
    lost. This side then tries for `retry_s` to get another one. The other side ends a job for which nobody has asked
    for `lease_s`, which is longer than this side may be away: a job never ends while we still try.
    """

    heartbeat_s: float = 5.0
    silence_s: float = 20.0
    retry_s: float = 240.0
    lease_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat_s < self.silence_s or self.lease_s <= self.silence_s + self.retry_s:
            raise ValueError("the times do not fit together")


def pauses(retry_s: float, first_s: float = 0.5, longest_s: float = 15.0) -> Iterator[float]:
    """The pauses between the attempts, each twice the one before, up to `longest_s`; their sum is `retry_s`."""
    left, pause = retry_s, first_s
    while left > 0:
        yield min(pause, left)
        left -= pause
        pause = min(pause * 2, longest_s)


class PersistentConnection:
    """The connection, for several threads; `connect` makes one."""

    def __init__(self, connect: Callable[[], Connection], timeouts: Timeouts) -> None:
        self._connect = connect
        self._timeouts = timeouts
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    def open(self) -> None:
        """Connect for the first time, with one attempt; raises what `connect` raises."""
        self._get()

    def close(self) -> None:
        """End the connection for good."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()

    def use(self, work: Callable[[Connection], T], cancel: Cancel | None = None) -> T:
        """Do the work over the connection, from its start again over another one when it breaks.

        So `work` must bear being repeated. Raises `ConnectionLost` when no connection lasts, `RunInterrupted`, and
        what `work` raises.
        """
        flag = cancel or Cancel()
        waits = pauses(self._timeouts.retry_s)
        while True:
            began = time.monotonic()
            connection = None
            try:
                connection = self._get()
                return work(connection)
            except ConnectionLost:
                if self._closed:
                    raise
                if connection is not None:
                    connection.close()
                    if time.monotonic() - began > self._timeouts.silence_s:
                        waits = pauses(self._timeouts.retry_s)  # it had lasted
                pause = next(waits, None)
                if pause is None:
                    raise
                if flag.wait(pause):
                    flag.raise_if_set()

    def _get(self) -> Connection:
        with self._lock:
            if self._closed:
                raise ConnectionLost("the connection was closed")
            if self._connection is None or not self._connection.is_open:
                if self._connection is not None:
                    self._connection.close()
                self._connection = self._connect()
            return self._connection
