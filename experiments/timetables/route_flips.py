"""A route that flips: at every period the client's router leads the service to the next server, and then back again.

What measurement studies of anycast call a flip: to somebody far away the nearest server is another one for a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from pydantic import Field

from experiments.timetables.base import MOST_CHANGES, Change, Timetable
from experiments.workloads.base import Workload
from testbed.base.parts import Complaint
from testbed.base.quantities import PositiveDuration
from topologies.base import Topology


class RouteFlips(Timetable):
    """The route to the service address flips at period, 2 x period... by one place of the router's paths."""

    period_s: PositiveDuration = Field(alias="period", description="From one flip to the next.")

    def check(self, topology: Topology, workload: Workload) -> Iterator[Complaint]:
        """There is another server, and the workload ends by time."""
        if topology.servers < 2:
            yield Complaint("period", "with servers = 1 there is no other server to flip to")
        if workload.planned_s is None:
            yield Complaint(
                "part", "flips go on until a time, and this workload ends when it is done", "list the events"
            )
            return
        flips = Fraction(str(workload.planned_s)) / Fraction(str(self.period_s))
        if flips > MOST_CHANGES:
            what = f"{int(flips)} flips in {workload.planned_s:g} s, more than {MOST_CHANGES}"
            yield Complaint("period", what, "a longer period")

    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """A flip at every multiple of the period before the workload's end."""
        del servers
        if duration_s is None:
            return []
        period, end = Fraction(str(self.period_s)), Fraction(str(duration_s))
        count = -(-end // period) - 1
        return [Change(float(number * period), "path-flipped", places=1) for number in range(1, int(count) + 1)]
