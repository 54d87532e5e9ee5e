"""The paper's rotation: in turn, each server leaves the pool and returns.

The paper removes a server "every 10 s" for 5 s and counts 16 changes in 120 s. Both are true of a
cycle of 15 s only: out at 10, 25, ... 115 s, back at 15, 30, ... 120 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from pydantic import Field, ValidationInfo, field_validator

from experiments.timetables.base import MOST_CHANGES, Change, Timetable
from experiments.workloads.base import Workload
from testbed.base.parts import Complaint
from testbed.base.quantities import PositiveDuration
from topologies.base import Topology


class Rotation(Timetable):
    """In every cycle a server is in the pool for a time, then out until the cycle ends; another one each cycle."""

    cycle_s: PositiveDuration = Field(alias="cycle", description="How long a cycle is.")
    up_s: PositiveDuration = Field(alias="up", description="How long all servers are in the pool in each cycle.")

    @field_validator("up_s")
    @classmethod
    def _ends_before_the_cycle(cls, value: float, info: ValidationInfo) -> float:
        cycle_s = info.data.get("cycle_s")
        if cycle_s is not None and value >= cycle_s:
            raise ValueError(f"up = {value:g} s must be shorter than cycle = {cycle_s:g} s")
        return value

    def check(self, topology: Topology, workload: Workload) -> Iterator[Complaint]:
        """A server is left when one has gone, the workload ends by time, and nobody waits for ever."""
        if topology.servers < 2:
            yield Complaint("cycle", "churn with servers = 1 would leave no server")
        if workload.planned_s is None:
            yield Complaint(
                "part", "a rotation goes on until a time, and this workload ends when it is done", "list the events"
            )
            return
        changes = 2 * Fraction(str(workload.planned_s)) / Fraction(str(self.cycle_s))
        if changes > MOST_CHANGES:
            what = f"{int(changes)} changes of the routes in {workload.planned_s:g} s, more than {MOST_CHANGES}"
            yield Complaint("cycle", what, "a longer cycle")

    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """All changes up to and including `duration_s`, in order.

        In cycle k, counted from 0, server k modulo their number leaves at k x cycle + up and returns when the
        cycle ends. A server whose return would come after `duration_s` stays out.
        """
        changes: list[Change] = []
        if duration_s is None:
            return changes
        # Decimal fractions of the file, not their nearest binary numbers: else the last change may miss the end.
        end, cycle, up = (Fraction(str(seconds)) for seconds in (duration_s, self.cycle_s, self.up_s))
        number = 0
        while number * cycle + up <= end:
            server = servers[number % len(servers)]
            changes.append(Change(float(number * cycle + up), "server-removed", server))
            if (number + 1) * cycle <= end:
                changes.append(Change(float((number + 1) * cycle), "server-added", server))
            number += 1
        return changes
