"""The wait for a job's process: what it prints is passed on until it ends, is cancelled, or has taken too long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.labs.base import Cancel, Sink
from testbed.labs.terminal import Terminal

_POLL_S = 0.05
_PIECES, _PIECE_BYTES = 16, 1 << 16
"""What is passed on at once of what a job has printed: it may print faster than anybody takes it."""


class Running(Protocol):
    """A job's process (`testbed.reaped_process.ReapedProcess`), or what stands for one."""

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        ...

    def release(self) -> None:
        """End it, with all that it has started."""
        ...


class Follower:
    """Hands the bytes that a growing file gained to a sink."""

    def __init__(self, path: Path, sink: Sink, cancel: Cancel) -> None:
        self._file = path.open("rb")
        self._sink = sink
        self._cancel = cancel

    def pump(self) -> bool:
        """Pass on what is new, a megabyte at most; whether there may be more."""
        for _ in range(_PIECES):
            data = self._file.read(_PIECE_BYTES)
            if not data:
                return False
            self._sink(data)
        return True

    def close(self) -> None:
        """Pass on the rest, but no more than that once cancelled, and close the file."""
        with self._file:
            while self.pump() and not self._cancel.is_set():
                pass


@dataclass(frozen=True)
class Ended:
    """The end of a job's process: real seconds since the job began, and whether it was ended for taking too long."""

    wall_s: float
    wall_limit_hit: bool


def wait_for_end(
    process: Running,
    *,
    began_s: float,
    wall_limit_s: float,
    cancel: Cancel,
    followers: Sequence[Follower],
    terminal: Terminal | None,
) -> Ended:
    """Wait until the process has ended, and end it `wall_limit_s` seconds after `began_s` (`time.monotonic`).

    A job with the user's terminal is ended by its keys, not by `cancel`. Raises `RunInterrupted` when cancelled, once
    nothing of the process is left.
    """
    limit_hit = is_behind = False
    while process.poll() is None:
        if terminal:
            terminal.relay(_POLL_S)
        elif cancel.wait(0.0 if is_behind else _POLL_S):
            process.release()
            cancel.raise_if_set()
        pumped = [follower.pump() for follower in followers]
        is_behind = any(pumped)
        if time.monotonic() - began_s > wall_limit_s:
            limit_hit = True
            process.release()
    return Ended(time.monotonic() - began_s, limit_hit)
