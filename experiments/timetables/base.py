"""What a timetable is asked: the base of every timetable in this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.workloads.base import Workload
from testbed.base.parts import Complaint, Part
from testbed.base.registry import Registry
from testbed.record.events import Kind
from topologies.base import Topology

MOST_CHANGES = 10_000


@dataclass(frozen=True)
class Change:
    """One change, `t_s` seconds after the workload started (`testbed.record.events`).

    It is about a `server`, by its name, a `director`, by its number from 1, or a `link`, by its name; a flip turns the
    router's equal-cost paths by so many `places`. A link may be silent in one `direction` only, and has a new `cost`.
    """

    t_s: float
    event: Kind
    server: str = ""
    director: int = 0
    places: int = 0
    link: str = ""
    direction: Literal["", "towards_client", "towards_server"] = ""
    cost: int | None = None


class Timetable(Part, ABC):
    """What happens to the pool of servers, and when; and to directors, and to the paths that lead there."""

    @abstractmethod
    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """All changes up to and including `duration_s` seconds, in order; None: the workload ends when it is done."""

    def check(self, topology: Topology, workload: Workload) -> Iterator[Complaint]:
        """What is wrong with the table as a whole, or with this topology and workload."""
        del topology, workload
        yield from ()


TIMETABLES = Registry("timetable", Timetable, "experiments.timetables", "timetables")
