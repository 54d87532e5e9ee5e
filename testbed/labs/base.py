"""What a lab is: a place where one command can run as root with Mininet, and leave files behind.

A lab never decides what runs. It takes a `Job` (an argv and an output directory), runs it on
its own side, and brings the output back. Nothing outside `testbed/labs/` knows which lab it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from testbed.errors import RunInterrupted

Clock = Literal["virtual", "real"]
Sink = Callable[[bytes], None]


def discard(_data: bytes) -> None:
    """A sink that drops what it is given."""


@dataclass(frozen=True)
class Job:
    """One command for a lab.

    `output` is the only directory of this machine that the command can change; it sees it under the
    path in the environment variable `TESTBED_OUT`. `wall_limit_s` bounds real seconds, `clock_limit_s`
    seconds of the lab's own clock.
    """

    argv: tuple[str, ...]
    output: Path
    cwd: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = "virtual"
    wall_limit_s: float = 3600.0
    clock_limit_s: float = 86400.0
    stdin: Path | None = None
    seed: int = 1


@dataclass(frozen=True)
class JobResult:
    """How a command ended: its exit status, real seconds, seconds of the lab's clock, kernel complaints.

    `kernel` is the identity of the kernel's build, empty if the lab does not know it.
    """

    status: int
    wall_s: float
    clock_s: float
    kernel_warnings: tuple[str, ...] = ()
    kernel: str = ""


class Cancel:
    """A flag that ends everything which waits on it; set by Ctrl-C, shared between threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask everyone who holds this flag to end."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()

    def raise_if_set(self) -> None:
        """Raise `RunInterrupted` once the end was asked for."""
        if self._event.is_set():
            raise RunInterrupted("interrupted")

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; True as soon as the end is asked for."""
        return self._event.wait(seconds)


class Lab(Protocol):
    """The interface that all labs offer."""

    name: str

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Run the job to its end; raises `LabError` (or a subclass) if the lab, not the command, failed."""
        ...
