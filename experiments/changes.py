"""What happens to a stage while it is measured: its timetable's changes, and what its directors find out by checks.

Each is done and noted at its time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from experiments.link_failures import LinkFailures
from experiments.record import Events
from experiments.stage import Stage
from experiments.timetables.base import Change
from experiments.web_servers import WebServers
from testbed.health_check import Checker
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
        self._links = LinkFailures(ready.network, self._director, self._layout)
        self._checkers = {
            name: Checker(self._layout.port, check)
            for name in self._layout.directors
            if (check := self._director.health_check)
        }

    def actions(self) -> list[Action]:
        """All that the timetable has happen, and the directors' checks."""
        parts = self._ready.parts
        changes = parts.timetable.changes(parts.workload.planned_s, list(self._servers))
        found = [Action(each.t_s, self.act(each)) for each in changes]
        if check := self._director.health_check:
            found.append(Action(check.interval_s, self._ask, check.interval_s))
            found.append(Action(check.interval_s + check.answer_s, self._judge, check.interval_s, answers=self._ask))
        return found

    def _ask(self) -> None:
        """Each director that has power begins to check all servers."""
        for number in self._pool.present:
            name = self._layout.directors[number - 1]
            layout = self._layout.of(name)
            asked: dict[str, dict[str, str]] = {}
            for place in layout.servers:
                asked.setdefault(self._director.checked_from(layout, place), {})[place.name] = place.address
            for node, addresses in asked.items():
                self._checkers[name].ask(self._ready.network[node], addresses)

    def _judge(self) -> None:
        """Each takes out of its own pool who has failed too often, and puts back who is well again.

        What is noted is what that changes: nothing where it finds everybody sick, or one that is out anyway.
        """
        present = {self._layout.directors[number - 1] for number in self._pool.present}
        for name, checker in self._checkers.items():
            if name not in present:  # it has lost its power, and what it had asked
                checker.cancel()
                continue
            before = self._pool.in_use(checker.sick)
            if not checker.answers() or (after := self._pool.in_use(checker.sick)) == before:
                continue
            self._tell(name)
            self._note_pool(name, before, after)

    def _note_pool(self, director: str, before: Collection[str], after: Collection[str]) -> None:
        for server in self._servers:
            if (server in before) != (server in after):
                event = "server-removed" if server in before else "server-added"
                self._events.add(event, server=server, by=director)

    def act(self, change: Change) -> Callable[[], None]:
        """What makes a change happen, and notes it."""

        def note() -> None:
            director = self._layout.directors[change.director - 1] if change.director else ""
            about = {"server": change.server, "director": director, "link": change.link, "direction": change.direction}
            self._events.add(change.event, **about, cost=change.cost)

        def act() -> None:
            self._pool.change(change.event, change.server, change.director, change.places)
            if self._layout.routed:  # routes move while it is done
                note()
            if change.event == "server-crashed":
                self._programs.power_off(self._servers[change.server])
            elif change.event == "server-back":
                self._programs.power_on(self._servers[change.server])
            elif change.event in ("director-lost", "director-back"):
                self._power(self._layout.directors[change.director - 1], on=change.event == "director-back")
            elif change.event == "director-restarted":
                self._restart(self._layout.directors[change.director - 1])
            elif change.event == "path-flipped" and self._layout.front:
                self._lead_to_directors()
            elif change.link:
                self._links.change(change)
            else:
                self.tell_directors()
            if not self._layout.routed:
                note()

        return act

    def tell_directors(self) -> None:
        """Tell each director that has power of the pool as it is now."""
        for number in self._pool.present:
            self._tell(self._layout.directors[number - 1])

    def _tell(self, director: str) -> None:
        layout, network = self._layout.of(director), self._ready.network
        places = {place.name: place for place in layout.servers}
        servers = self._pool.servers if self._layout.front else self._pool.in_order(self._pool.servers)
        sick = self._checkers[director].sick if self._checkers else set()
        in_use = self._pool.in_use(sick)
        wanted = [places[name] for name in servers if name in in_use]
        if drained := [places[name] for name in self._pool.drained if name in in_use]:
            self._director.drain(network, layout, wanted, drained)
        else:
            self._director.set_pool(network, layout, wanted)

    def _power(self, director: str, *, on: bool) -> None:
        """A director falls silent, or is back; the router in front sees it at once."""
        network, log = self._ready.network, self._ready.network.log
        if not on:
            silence.silence(network[director], log)
        else:
            self._director.forget(network, self._layout.of(director))
            self._begin_again(director)
            silence.restore(network[director], log)
        self._lead_to_directors()

    def _restart(self, director: str) -> None:
        self._director.restart(self._ready.network, self._layout.of(director))
        self._begin_again(director)

    def _begin_again(self, director: str) -> None:
        """It has forgotten whom it had found sick, and is told of the pool."""
        if not self._checkers:
            self._tell(director)
            return
        checker = self._checkers[director]
        before = self._pool.in_use(checker.sick)
        checker.forget()
        self._tell(director)
        self._note_pool(director, before, self._pool.in_use(checker.sick))

    def _lead_to_directors(self) -> None:
        several = self._layout.several
        addresses = [several[number - 1].address for number in self._pool.present]
        network, service = self._ready.network, self._layout.service
        routing.nexthops(network[self._layout.front], service, self._pool.in_order(addresses))
