"""What happens to a stage while it is measured: its timetable's changes, done and noted at their times."""

from __future__ import annotations

from collections.abc import Callable

from experiments.record import Events
from experiments.stage import Stage
from experiments.timetables.base import Change
from experiments.web_servers import WebServers
from testbed.net import routing, silence
from testbed.record.pool import Pool
from testbed.sampler import Action


class Changes:
    """Servers, directors and paths as the timetable has left them so far.

    `actions` are what it does at which time. Of several directors each that has power is told of the pool; one that
    had none is told when it is back.
    """

    def __init__(self, ready: Stage, events: Events, programs: WebServers) -> None:
        self._ready, self._events, self._programs = ready, events, programs
        self._layout, self._director = ready.layout, ready.parts.director
        self._servers = {server.node.name: server for server in ready.servers}
        self._pool = Pool(list(self._servers), len(self._layout.directors))

    def actions(self) -> list[Action]:
        """All that the timetable has happen."""
        parts = self._ready.parts
        changes = parts.timetable.changes(parts.workload.planned_s, list(self._servers))
        return [Action(each.t_s, self._act(each)) for each in changes]

    def _act(self, change: Change) -> Callable[[], None]:
        def act() -> None:
            self._pool.change(change.event, change.server, change.director, change.places)
            if change.event == "server-crashed":
                self._programs.power_off(self._servers[change.server])
            elif change.event == "server-back":
                self._programs.power_on(self._servers[change.server])
            elif change.event in ("director-lost", "director-back"):
                self._power(self._layout.directors[change.director - 1], on=change.event == "director-back")
            elif change.event == "path-flipped" and self._layout.front:
                self._lead_to_directors()
            else:
                self._tell_directors()
            director = self._layout.directors[change.director - 1] if change.director else ""
            self._events.add(change.event, server=change.server, director=director)

        return act

    def _tell_directors(self) -> None:
        for number in self._pool.present:
            self._tell(self._layout.directors[number - 1])

    def _tell(self, director: str) -> None:
        layout, network = self._layout.of(director), self._ready.network
        places = {place.name: place for place in layout.servers}
        servers = self._pool.servers if self._layout.front else self._pool.in_order(self._pool.servers)
        wanted = [places[name] for name in servers]
        if self._pool.drained:
            self._director.drain(network, layout, wanted, [places[name] for name in self._pool.drained])
        else:
            self._director.set_pool(network, layout, wanted)

    def _power(self, director: str, *, on: bool) -> None:
        """A director falls silent, or is back; the router in front sees it at once."""
        network, log = self._ready.network, self._ready.network.log
        if not on:
            silence.silence(network[director], log)
        else:
            self._director.forget(network, self._layout.of(director))
            self._tell(director)
            silence.restore(network[director], log)
        self._lead_to_directors()

    def _lead_to_directors(self) -> None:
        several = self._layout.several
        addresses = [several[number - 1].address for number in self._pool.present]
        network, service = self._ready.network, self._layout.service
        routing.nexthops(network[self._layout.front], service, self._pool.in_order(addresses))
