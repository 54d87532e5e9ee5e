"""What a workload is asked, and what it has at hand when it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from experiments.record import Events
from testbed.base.errors import GuestTimeout
from testbed.base.parts import Complaint, Part
from testbed.base.registry import Registry
from testbed.net.netns import Node
from testbed.process import CommandLog, Process
from testbed.sampler import Action, Sampler
from testbed.tools import large_reads
from topologies.base import Topology
from topologies.layout import Layout

MOST_BYTES = 10**13
"""What a workload may move at most: no machine comes to the end of more."""
MOST_SECONDS = 100_000
"""How long it may last at most, each of these seconds sampled."""


@dataclass(frozen=True)
class Scene:
    """What a workload has at hand: the client, the page's address and the same page as a file, sampler and events.

    `actions` are what else happens at its times; `out` is the point's raw directory. `layout` has who is who, `servers`
    are their nodes by name, `networks` theirs of unique addresses, if they have any; `seed` is the point's.
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
    layout: Layout
    servers: Mapping[str, Node]
    networks: Mapping[str, str]
    seed: int


class Workload(Part, ABC):
    """Who sends what, and when it ends.

    `sender`: who sends the objects. `ends_by`: when all requests are answered, or at `planned_s` seconds.
    `per_second`: its figures are those of each second. `limit_factor`: how many times `transfer_s` the lab's clock may
    go on before the point must be stuck. `plot`: the figure that an experiment with it has if its file names none.
    """

    ends_by: ClassVar[Literal["requests", "time"]] = "requests"
    per_second: ClassVar[bool] = False
    limit_factor: ClassVar[float] = 20.0
    plot: ClassVar[str] = "page-size"

    @property
    def sender(self) -> Literal["server", "client"]:
        """Who sends the objects."""
        return "server"

    @property
    def also_served(self) -> tuple[int, ...]:
        """The sizes in bytes of what servers have to load while a client uploads."""
        return ()

    @property
    def planned_s(self) -> float | None:
        """When it ends by time."""
        return None

    @property
    def complete_requests(self) -> int | None:
        """How many requests must be complete at its end: what its key `requests` says, if it has one and not said."""
        requests = self.parameters().get("requests")
        return requests if isinstance(requests, int) else None

    @property
    @abstractmethod
    def object_sizes(self) -> tuple[int, ...]:
        """The sizes in bytes of the objects that it moves, a point for each."""

    def of_size(self, object_bytes: int) -> Self:
        """The workload of the point with objects of this size: nothing in it is about other sizes."""
        del object_bytes
        return self

    def left_out(self, layout: Layout) -> tuple[str, ...]:
        """Addresses in a layout whose packets are in no capture, because it counts them itself."""
        del layout
        return ()

    def most_packets(self, object_bytes: int) -> float | None:
        """Packets at the client that there cannot be more of, both directions together; None where nobody knows."""
        del object_bytes
        return None

    @abstractmethod
    def busy_s(self, topology: Topology, protocol: str, object_bytes: int) -> float:
        """Wall seconds of CPU that it takes in virtual time, without boot and set-up."""

    @abstractmethod
    def transfer_s(self, topology: Topology, object_bytes: int) -> float:
        """Seconds on the lab's clock that it should take at most; a pessimist's view."""

    @abstractmethod
    def drive(self, scene: Scene) -> None:
        """Run it to its end, sampling; raises `CommandError`, `GuestTimeout`."""

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """What is wrong with the table as a whole, or in such a topology."""
        del topology
        yield from ()


def preloading(argv: Sequence[str], scene: Scene) -> list[str]:
    """The argv of `ab` with the library for large reads; its counts go to the point's raw directory."""
    return large_reads.preloaded(argv, scene.file.parents[1] / large_reads.NAME, scene.out)


WORKLOADS = Registry("workload", Workload, "experiments.workloads", "workloads")


def has_ended(process: Process, seconds: float) -> bool:
    """Whether the process ends within so many seconds."""
    try:
        process.wait(seconds)
    except GuestTimeout:
        return False
    return True
