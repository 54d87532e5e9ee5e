"""What a workload is asked, and what it has at hand when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from experiments.record import Events
from testbed.base.errors import GuestTimeout
from testbed.net.netns import Node
from testbed.process import CommandLog, Process
from testbed.sampler import Action, Sampler
from topologies.setup import Setup


@dataclass(frozen=True)
class Scene:
    """What a workload has at hand: the client, the page's address and the same page as a file, sampler and events.

    `actions` are what else happens at its times; `out` is the point's raw directory.
    """

    client: Node
    mptcp: bool
    url: str
    file: Path
    sampler: Sampler
    events: Events
    actions: Sequence[Action]
    out: Path
    log: CommandLog


class Workload(Protocol):
    """Who sends what, and when it ends.

    `ends_by`: when all requests are answered, or at `planned_s` seconds. `per_second`: its figures are those of each
    second. `limit_factor`: how many times `transfer_s` the lab's clock may go on before the point must be stuck.
    """

    @property
    def sender(self) -> Literal["server", "client"]:
        """Who sends the objects."""
        ...

    @property
    def ends_by(self) -> Literal["requests", "time"]:
        """What ends it."""
        ...

    @property
    def planned_s(self) -> float | None:
        """When it ends by time."""
        ...

    @property
    def per_second(self) -> bool:
        """Whether its figures are those of each second."""
        ...

    @property
    def limit_factor(self) -> float:
        """How many times `transfer_s` is too long."""
        ...

    def features(self) -> frozenset[str]:
        """The features of the kernel and the programs that it needs (`testbed.labs.features`)."""
        ...

    def busy_s(self, setup: Setup, protocol: str, object_bytes: int) -> float:
        """Wall seconds of CPU that it takes in virtual time, without boot and set-up."""
        ...

    def transfer_s(self, setup: Setup, object_bytes: int) -> float:
        """Seconds on the lab's clock that it should take at most; a pessimist's view."""
        ...

    def drive(self, scene: Scene) -> None:
        """Run it to its end, sampling; raises `CommandError`, `GuestTimeout`."""
        ...


def has_ended(process: Process, seconds: float) -> bool:
    """Whether the process ends within so many seconds."""
    try:
        process.wait(seconds)
    except GuestTimeout:
        return False
    return True
