"""What a lab is: a place where one command can run as root with Mininet, and leave files behind.

A lab never decides what runs. It takes a `Job` (an argv and an output directory), runs it on
its own side, and brings the output back. Nothing outside `testbed/labs/` knows which lab it is.
"""

from __future__ import annotations

import os
import select
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from testbed.base.errors import RunInterrupted
from testbed.base.needs import Finding, Need

if TYPE_CHECKING:
    from testbed.labs.terminal import Terminal

Clock = Literal["virtual", "real"]
Sink = Callable[[bytes], None]

HERE = "this machine"
"""The `machine` of the labs whose work is done by this machine's own cores."""


def discard(_data: bytes) -> None:
    """A sink that drops what it is given."""


def last_line(said: bytes | bytearray) -> str:
    """The last line that a command said, such as why it ended; `no message` where it said nothing."""
    return (said.decode(errors="replace").strip().splitlines() or ["no message"])[-1]


@dataclass(frozen=True)
class Job:
    """One command for a lab.

    `output` is the only directory of this machine that the command can change; it sees it under the
    path in the environment variable `TESTBED_OUT`. `wall_limit_s` bounds real seconds, `clock_limit_s`
    seconds of the lab's own clock. With `stands_still`, the program is one that a guest can be a template for
    (`testbed.template`).
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
    stands_still: bool = False


@dataclass(frozen=True)
class JobResult:
    """How a command ended: its exit status, real seconds, seconds of the lab's clock, kernel complaints.

    `kernel` is the identity of the kernel's build, empty if the lab does not know it. `copy` is its place among the
    jobs of a shared boot, from 1; 0 with a boot of its own. `machine` is who ran it, where a lab has several, and
    `repeated_by` who has run it again and come to the same bytes, if anybody has.
    """

    status: int
    wall_s: float
    clock_s: float
    kernel_warnings: tuple[str, ...] = ()
    kernel: str = ""
    copy: int = 0
    machine: str = ""
    repeated_by: str = ""


class Cancel:
    """A flag that ends everything which waits on it; set by Ctrl-C and its like, shared between threads.

    A signal's handler may set it, or raise an exception, whatever the thread that it interrupts does with the flag just
    then. An `Event` is no such flag: it has a lock, which that thread may hold. So it is a pipe that becomes readable.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._why = "interrupted"
        self._kind: type[RunInterrupted] = RunInterrupted
        self._readable, self._writable = os.pipe()
        weakref.finalize(self, _close, self._readable, self._writable)

    def set(self, why: str = "interrupted", kind: type[RunInterrupted] = RunInterrupted) -> None:
        """Ask everyone who holds this flag to end; the first reason counts. `kind` is what `raise_if_set` raises."""
        if not self._is_set:
            self._why, self._kind = why, kind
            self._is_set = True
            os.write(self._writable, b"\0")

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._is_set

    def raise_if_set(self) -> None:
        """Raise `RunInterrupted` once the end was asked for."""
        if self._is_set:
            raise self._kind(self._why)

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; True as soon as the end is asked for."""
        poll = select.poll()
        poll.register(self._readable, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
        return self._is_set


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class Lab(Protocol):
    """The interface that all labs offer.

    `name` is the lab's spec as it stands on the command line. Labs with the same `machine` share its cores, so
    that a point in real time must be alone on all of them. `clocks` has the usual one first; `width` is how many
    points in virtual time it should be given at once.
    """

    @property
    def name(self) -> str:
        """The lab's spec, such as `uml`."""
        ...

    @property
    def machine(self) -> str:
        """Whose cores do the work: `HERE`, or the name of another machine."""
        ...

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The clocks that a job can have here, the usual one first."""
        ...

    @property
    def width(self) -> int:
        """How many jobs in virtual time can run at once."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What a run's record says of this lab (JSON), such as the kernel's manifest under `kernel`."""
        ...

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        """Raise `PrerequisiteError`, naming all that is missing, unless the lab has what is needed.

        Asked before the first job starts.
        """
        ...

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Run the job to its end; raises `LabError` (or a subclass) if the lab, not the command, failed."""
        ...


@runtime_checkable
class InteractiveLab(Protocol):
    """A lab that can lend a job the user's terminal."""

    def interact(self, job: Job, terminal: Terminal) -> JobResult:
        """Run the job with the user's terminal as its own."""
        ...


@runtime_checkable
class HoldableLab(Protocol):
    """A lab whose jobs in virtual time do not notice when they are held for a while."""

    def holding(self) -> AbstractContextManager[None]:
        """Hold them, and those that start meanwhile, until the block ends."""
        ...

    def pausing(self, output: Path) -> AbstractContextManager[None]:
        """Hold the job in real time that has this output, whose clock goes on, until the block ends."""
        ...


@runtime_checkable
class QueueingLab(Protocol):
    """A lab that keeps jobs beyond its `width` until something of it is free, and has them at hand then."""

    @property
    def ahead(self) -> int:
        """How many more jobs it should be given, so that none of it waits for its next one."""
        ...


@runtime_checkable
class ProbedLab(Protocol):
    """A lab that can say what it has, need by need."""

    def probe(self, needs: Collection[Need], cancel: Cancel | None = None) -> list[Finding]:
        """Find out about each need before anything starts; one finding each."""
        ...


@runtime_checkable
class ExaminedLab(Protocol):
    """A lab on another machine, which can be asked what is missing there."""

    def examine(self, needs: Collection[Need] = (), *, boot: bool = True) -> list[dict[str, Any]]:
        """The doctor's checks there: `name`, `ok`, `detail` and `cure` of each; the last boots a guest, with `boot`."""
        ...
