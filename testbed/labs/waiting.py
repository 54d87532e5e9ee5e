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

    def __init__(self, path: Path, sink: Sink) -> None:
        self._file = path.open("rb")
        self._sink = sink

    def pump(self) -> None:
        """Pass on what is new."""
        while data := self._file.read(65536):
            self._sink(data)

    def close(self) -> None:
        """Pass on the rest and close the file."""
        self.pump()
        self._file.close()


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
    limit_hit = False
    while process.poll() is None:
        if terminal:
            terminal.relay(_POLL_S)
        elif cancel.wait(_POLL_S):
            process.release()
            cancel.raise_if_set()
        for follower in followers:
            follower.pump()
        if time.monotonic() - began_s > wall_limit_s:
            limit_hit = True
            process.release()
    return Ended(time.monotonic() - began_s, limit_hit)
