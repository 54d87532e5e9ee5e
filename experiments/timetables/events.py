"""A list of changes: which server leaves the pool or returns, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from experiments.timetables.base import MOST_CHANGES, Change, Timetable
from experiments.workloads.base import Workload
from testbed.base.parts import Complaint
from testbed.base.quantities import MAX_SERVERS, Duration
from testbed.base.table import Table
from topologies.base import Topology

_EVENTS: dict[str, Literal["server-removed", "server-added"]] = {"remove": "server-removed", "add": "server-added"}


class Event(Table):
    """One change of the pool."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["remove"]}, {"required": ["add"]}]})

    at_s: Duration = Field(alias="at", description="When, in seconds after the workload's start.")
    remove: Annotated[int, Field(ge=1, le=MAX_SERVERS)] | None = Field(
        default=None, description="The number of the server, from 1, that leaves the pool."
    )
    add: Annotated[int, Field(ge=1, le=MAX_SERVERS)] | None = Field(
        default=None, description="The number of the server, from 1, that returns."
    )

    @model_validator(mode="after")
    def _is_one_change(self) -> Event:
        if (self.remove is None) == (self.add is None):
            raise ValueError("an event says either remove or add, and the number of a server")
        return self


class Events(Timetable):
    """The changes of a list, at their times."""

    events: Annotated[tuple[Event, ...], Field(strict=False, min_length=1, max_length=MOST_CHANGES)] = Field(
        description='The changes, such as `{ at = "10 s", remove = 1 }`.'
    )

    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """The list's changes in order of time; those after `duration_s` never come."""
        found = []
        for event in sorted(self.events, key=lambda each: each.at_s):
            number = event.remove or event.add
            assert number is not None
            if duration_s is None or event.at_s <= duration_s:
                name = _EVENTS["remove" if event.remove else "add"]
                found.append(Change(event.at_s, name, servers[number - 1]))
        return found

    def check(self, topology: Topology, workload: Workload) -> Iterator[Complaint]:
        """Each event is about a server that there is, changes something, and leaves one in the pool."""
        if any(max(event.remove or 0, event.add or 0) > topology.servers for event in self.events):
            yield Complaint("events", f"there are {topology.servers} servers, numbered from 1")
            return
        pool = {f"s{number}": True for number in range(1, topology.servers + 1)}
        for change in self.changes(None, list(pool)):
            returns = change.event == "server-added"
            if pool[change.server] == returns:
                where = "in the pool already" if returns else "not in the pool"
                yield Complaint("events", f"at {change.t_s:g} s server {change.server[1:]} is {where}")
                return
            pool[change.server] = returns
            if not any(pool.values()):
                yield Complaint("events", f"at {change.t_s:g} s no server is left in the pool")
                return
        if workload.planned_s is not None and (late := self._after(workload.planned_s)):
            what = f"an event at {late:g} s comes after the workload's end at {workload.planned_s:g} s"
            yield Complaint("events", what)

    def _after(self, end_s: float) -> float | None:
        return next((event.at_s for event in self.events if event.at_s > end_s), None)
