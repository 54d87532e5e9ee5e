"""A list of changes: what happens to which server, director or link, or to the paths that lead there, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from experiments.timetables.base import MOST_CHANGES, Change, Timetable
from experiments.workloads.base import Workload
from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.base.quantities import MAX_DIRECTORS, MAX_SERVERS, Duration
from testbed.base.table import Table
from testbed.net import link_failure, silence
from testbed.record.events import Kind
from testbed.record.link_states import LinkStates
from testbed.record.pool import Pool
from topologies.base import Topology

_KINDS: Mapping[str, Kind] = {
    "remove": "server-removed",
    "add": "server-added",
    "drain": "server-drained",
    "crash": "server-crashed",
    "back": "server-back",
    "lose_director": "director-lost",
    "director_back": "director-back",
    "restart_director": "director-restarted",
    "flip": "path-flipped",
    "link_down": "link-down",
    "link_silent": "link-silent",
    "link_up": "link-up",
    "link_cost": "link-cost",
}
_OF_SERVERS = ("remove", "add", "drain", "crash", "back")
_OF_DIRECTORS = ("lose_director", "director_back", "restart_director")
_OF_LINKS = ("link_down", "link_silent", "link_up", "link_cost")

_Server = Annotated[int, Field(ge=1, le=MAX_SERVERS)] | None
_Director = Annotated[int, Field(ge=1, le=MAX_DIRECTORS)] | None
_Link = Annotated[str, Field(pattern=r"^[a-z0-9]+-[a-z0-9]+$", max_length=60)] | None


class Event(Table):
    """One change: a time, and one of the others."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in _KINDS]})

    at_s: Duration = Field(alias="at", description="When, in seconds after the workload's start.")
    remove: _Server = Field(default=None, description="The number of the server, from 1, that leaves the pool.")
    add: _Server = Field(default=None, description="The number of the server that returns to the pool.")
    drain: _Server = Field(
        default=None,
        description="The number of the server that gets no new connections (weight 0), and keeps those that it has.",
    )
    crash: _Server = Field(
        default=None,
        description="The number of the server that loses its power: it falls silent, without a FIN or a RST, and "
        "whoever spreads the connections is not told.",
    )
    back: _Server = Field(
        default=None, description="The number of the crashed server that has power again; it knows no connection."
    )
    lose_director: _Director = Field(
        default=None,
        description="The number of the director, from 1, that loses its power; the router in front sees it at once, "
        "and spreads the flows over the others.",
    )
    director_back: _Director = Field(
        default=None, description="The number of the lost director that is back; it knows no connection."
    )
    restart_director: _Director = Field(
        default=None,
        description="The number of the director that starts again at once, on a node that stays up: it knows no "
        "connection, and a proxy has ended all of its own.",
    )
    flip: Annotated[int, Field(ge=1, le=MAX_SERVERS)] | None = Field(
        default=None,
        description="By how many places the router's equal-cost paths are turned: each flow comes by another one, "
        "to another director, or to another server where there is no director.",
    )
    link_down: _Link = Field(
        default=None,
        description="The link between routers, such as `r1-r2`, that loses its carrier: both ends notice at once.",
    )
    link_silent: _Link = Field(
        default=None, description="The link that loses all packets and keeps its carrier: nobody is told."
    )
    direction: Literal["towards_client", "towards_server"] | None = Field(
        default=None,
        description="With `link_silent`: the only direction that loses packets; both of them do if not said.",
    )
    link_up: _Link = Field(default=None, description="The link that carries packets again.")
    link_cost: _Link = Field(default=None, description="The link that has another cost in routing, in both directions.")
    cost: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="With `link_cost`, and never without it: the new cost."
    )

    @model_validator(mode="after")
    def _is_one_change(self) -> Event:
        if len(self._said()) != 1:
            raise ValueError(f"an event says one of {', '.join(_KINDS)}, and whom it is about")
        if (self.cost is None) != (self.link_cost is None):
            raise ValueError("`link_cost` says which link, and `cost` its new cost: both, or none of them")
        if self.direction and not self.link_silent:
            raise ValueError("`direction` is that of a silent link (`link_silent`)")
        return self

    def _said(self) -> dict[str, int | str]:
        values: dict[str, int | str | None] = {key: getattr(self, key) for key in _KINDS}
        return {key: whom for key, whom in values.items() if whom is not None}

    @property
    def kind(self) -> Kind:
        """What happens."""
        return _KINDS[next(iter(self._said()))]

    def about(self) -> dict[str, Any]:
        """To whom, as a `Change` has it, but for a server by its number."""
        ((key, whom),) = self._said().items()
        if key in _OF_LINKS:
            return {"link": whom, "direction": self.direction or "", "cost": self.cost}
        return {"server" if key in _OF_SERVERS else "director" if key in _OF_DIRECTORS else "places": whom}


class Events(Timetable):
    """The changes of a list, at their times."""

    needs = silence.NEEDS | link_failure.NEEDS

    events: Annotated[tuple[Event, ...], Field(strict=False, min_length=1, max_length=MOST_CHANGES)] = Field(
        description='The changes, such as `{ at = "10 s", remove = 1 }`.'
    )

    def features(self) -> frozenset[Need]:
        """What takes the power of a server or a director, or lets a link fall silent, if that happens."""
        kinds = {event.kind for event in self.events}
        dark = silence.NEEDS if kinds & {"server-crashed", "director-lost"} else frozenset()
        failing = link_failure.NEEDS if "link-silent" in kinds else frozenset()
        return dark | failing

    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """The list's changes in order of time; those after `duration_s` never come."""
        found = []
        for event in sorted(self.events, key=lambda each: each.at_s):
            about = event.about()
            if "server" in about:
                about["server"] = servers[about["server"] - 1]
            if duration_s is None or event.at_s <= duration_s:
                found.append(Change(event.at_s, event.kind, **about))
        return found

    def check(self, topology: Topology, workload: Workload) -> Iterator[Complaint]:
        """Each event is about somebody that there is, changes something, and leaves one in the pool."""
        layout = topology.layout()
        pool = Pool([f"s{number}" for number in range(1, topology.servers + 1)], len(layout.directors))
        costs = {link.name: link.cost for link in layout.routed}
        links = LinkStates(costs, costs)
        for most, what, about in ((topology.servers, "server", "server"), (pool.directors, "director", "director")):
            if any(event.about().get(about, 0) > most for event in self.events):
                number = f"are {most} {what}s" if most > 1 else f"is 1 {what}"
                yield Complaint("events", f"there {number}, numbered from 1")
                return
        for change in self.changes(None, pool.everybody):
            whom = change.server, change.director, change.places
            of_link = change.event, change.link, change.cost
            if problem := links.problem(*of_link) if change.link else pool.problem(change.event, *whom):
                yield Complaint("events", f"at {change.t_s:g} s {problem}")
                return
            pool.change(change.event, *whom)
            links.change(*of_link)
        if workload.planned_s is not None and (late := self._after(workload.planned_s)):
            what = f"an event at {late:g} s comes after the workload's end at {workload.planned_s:g} s"
            yield Complaint("events", what)

    def _after(self, end_s: float) -> float | None:
        return next((event.at_s for event in self.events if event.at_s > end_s), None)
