"""What a timetable is asked: the base of every timetable in this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.workloads.base import Workload
from testbed.base.parts import Complaint, Part
from testbed.base.registry import Registry
from topologies.base import Topology

MOST_CHANGES = 10_000


@dataclass(frozen=True)
class Change:
    """One change: at `t_s` seconds after the workload started, `server` leaves the pool or returns."""

    t_s: float
    event: Literal["server-removed", "server-added"]
    server: str


class Timetable(Part, ABC):
    """What happens to the pool of servers, and when."""

    @abstractmethod
    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """All changes up to and including `duration_s` seconds, in order; None: the workload ends when it is done."""

    def check(self, topology: Topology, workload: Workload) -> Iterator[Complaint]:
        """What is wrong with the table as a whole, or with this topology and workload."""
        del topology, workload
        yield from ()


TIMETABLES = Registry("timetable", Timetable, "experiments.timetables", "timetables")
