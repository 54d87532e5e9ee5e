"""Routers, and servers that take part, with a BIRD each that speaks OSPF to its neighbours; settled before it is used.

What may change while it runs: who announces the service, whom the client's router prefers, what a link costs.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from testbed.base.errors import ReadbackError, TestbedError
from testbed.directors import bird_configuration
from testbed.directors.bird_configuration import ANNOUNCED, OWN, PREFERRED, Speaker, Timers
from testbed.net import routing, sysctl
from testbed.network import WORK, Network
from testbed.process import wait_until
from testbed.tools import bird
from testbed.tools.bird import Daemon
from topologies.layout import Layout, LinkEnd, RoutedLink, ServerPlace

_WORK = WORK / "routing"
_SETTLED_S, _ASK_S = 120, 0.5
_SAYS_AGAIN_S = 6
"""An age is of whole seconds."""

Metrics = Mapping[tuple[str, str], int]
"""The cost of the way from one speaker straight to another, by their router ids."""


@dataclass(frozen=True)
class RoutedNetwork:
    """The nodes at the ends of `links`, over which OSPF goes; those that are no servers forward packets."""

    network: Network
    layout: Layout
    links: Sequence[RoutedLink]

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Every node that runs OSPF, and over which of its links."""
        ends: dict[str, dict[LinkEnd, int]] = {}
        for link in self.links:
            for end in link.ends:
                ends.setdefault(end.node, {})[end] = link.cost
        servers = {place.name for place in self.layout.servers}
        return tuple(
            Speaker(node, links, () if node in servers else self._passive(node, links), forwards=node not in servers)
            for node, links in sorted(ends.items())
        )

    def _passive(self, node: str, links: Mapping[LinkEnd, int]) -> tuple[str, ...]:
        active = {end.interface for end in links}
        return tuple(name for name in sorted(self.network.neighbours(node)) if name not in active)

    @contextlib.contextmanager
    def running(self, timers: Timers, announced: Mapping[str, ServerPlace]) -> Iterator[None]:
        """A BIRD on every speaker until the block ends; `announced` as in `announce`."""
        _WORK.mkdir(parents=True, exist_ok=True)
        for speaker in self.speakers:
            for end, cost in speaker.links.items():
                self._daemon(speaker.node).write(bird_configuration.cost_file(end), bird_configuration.cost(end, cost))
        self._write(announced, preferred="")
        with ExitStack() as stack:
            for speaker in self.speakers:
                if speaker.forwards:
                    self._forward(speaker.node)
                text = bird_configuration.configuration(speaker, timers)
                stack.enter_context(bird.routing(self.network[speaker.node], text, _WORK, self.network.log))
            yield

    def _forward(self, node: str) -> None:
        # Packets may come by another link than the one that leads back to their sender.
        loose = {f"net.ipv4.conf.{name}.rp_filter": 0 for name in ("all", *self.network.neighbours(node))}
        sysctl.put(self.network[node], {"net.ipv4.ip_forward": 1, **loose})

    def announce(self, announced: Mapping[str, ServerPlace], preferred: str) -> None:
        """These nodes announce the service, which is at that server, or is their own.

        The client's router prefers the neighbour `preferred` (its address) for it, or what OSPF says, if it is empty.
        Raises `ReadbackError`.
        """
        for node in self._write(announced, preferred):
            self._daemon(node).reconfigure()

    def _write(self, announced: Mapping[str, ServerPlace], preferred: str) -> list[str]:
        """Write what has changed; the nodes that it is about."""
        service, changed = self.layout.service, []
        for speaker in self.speakers:
            node, place = speaker.node, announced.get(speaker.node)
            is_server = place is not None and place.name == node
            files = {
                ANNOUNCED: bird_configuration.announced(service) if place else "",
                OWN: bird_configuration.own_route(service, place.address) if place and not is_server else "",
                PREFERRED: bird_configuration.preferred_route(service, preferred)
                if preferred and node == self.layout.director
                else "",
            }
            # All of them are written, and it is told once.
            written = [self._daemon(node).write(name.format(node), text) for name, text in files.items()]
            changed += [node] if any(written) else []
        return changed

    def neighbour(self, node: str) -> str:
        """The address of the client's router's neighbour `node`; raises `TestbedError` if it is none."""
        for link in self.links:
            near, far = link.ends if link.near.node == self.layout.director else reversed(link.ends)
            if (near.node, far.node) == (self.layout.director, node):
                return far.address
        raise TestbedError(f"{node} is no neighbour of {self.layout.director}, which cannot be told to prefer it")

    def set_cost(self, link: RoutedLink, cost: int) -> None:
        """A link costs that much in both directions; raises `ReadbackError`."""
        for end in link.ends:
            daemon = self._daemon(end.node)
            if daemon.write(bird_configuration.cost_file(end), bird_configuration.cost(end, cost)):
                daemon.reconfigure()
            shown = " ".join(daemon.show("ospf", "interface", f'"{end.interface}"'))
            found = re.search(r"Cost: (\d+)", shown)
            if found is None or int(found.group(1)) != cost:
                raise ReadbackError(f"cost of {end.interface}", cost, found.group(1) if found else shown)

    def settled(self) -> dict[str, Any]:
        """Wait until every speaker knows every link and the shortest ways, and routers have routes; what reads back.

        And until nobody has said anything new for so long that he may say something at once: a router tells the others
        of itself every five seconds at most (RFC 2328, MinLSInterval).

        Raises `GuestTimeout`.
        """
        for speaker in self.speakers:
            daemon = self._daemon(speaker.node)
            wait_until(
                lambda daemon=daemon: self._knows_all(daemon),  # type: ignore[misc]
                f"OSPF on {speaker.node}",
                timeout_s=_SETTLED_S,
                interval_s=_ASK_S,
            )
        first = self._daemon(self.layout.director)
        wait_until(
            lambda: age_s(first.show("ospf", "lsadb")) >= _SAYS_AGAIN_S,
            "OSPF, nothing new",
            timeout_s=_SETTLED_S,
            interval_s=_ASK_S,
        )
        found: dict[str, Any] = {}
        for speaker in self.speakers:
            lines = self._daemon(speaker.node).show("ospf", "neighbors")
            found[speaker.node] = {"neighbours": neighbours_of(lines)}
            if speaker.forwards:
                found[speaker.node]["routes"] = self._routes(speaker.node)
        way = found[self.layout.director]["routes"][self.layout.service]
        wanted = self.neighbour(home_of(self.layout, self.layout.servers[0]))
        if way != wanted:
            raise ReadbackError(f"route of {self.layout.director} to {self.layout.service}", wanted, way)
        return {"ospf": found}

    def _routes(self, node: str) -> dict[str, str]:
        """The neighbour, or the interface, by which each address is reached from there."""
        wanted = (self.layout.service, *self.layout.client_addresses, *(each.unique for each in self.layout.servers))
        found: dict[str, str] = {}

        def are_there() -> bool:
            with contextlib.suppress(TestbedError):
                found.update({address: routing.next_hop(self.network[node], address) for address in wanted})
            return len(found) == len(wanted)

        wait_until(are_there, f"routes on {node}", timeout_s=_SETTLED_S, interval_s=_ASK_S)
        return found

    def _knows_all(self, daemon: Daemon) -> bool:
        """Whether it has every link in its database, from both ends, and has worked the shortest ways out."""
        lines = daemon.show("ospf", "topology")
        own = self._ids()[daemon.node.name]
        return links_of(lines) == self._metrics() and distances_of(lines) == shortest(self._metrics(), own)

    def _ids(self) -> dict[str, str]:
        return {speaker.node: speaker.router_id for speaker in self.speakers}

    def _metrics(self) -> dict[tuple[str, str], int]:
        ids = self._ids()
        return {
            (ids[one.node], ids[other.node]): link.cost
            for link in self.links
            for one, other in (link.ends, reversed(link.ends))
        }

    def _daemon(self, node: str) -> Daemon:
        return Daemon(self.network[node], _WORK, self.network.log)


def home_of(layout: Layout, place: ServerPlace) -> str:
    """The router that a server is at."""
    return next(link.near.node for link in layout.routed if link.far.node == place.name)


def neighbours_of(lines: Sequence[str]) -> dict[str, str]:
    """The state of each neighbour, by the interface: `Full/PtP`."""
    rows = (re.match(r"\S+\s+\d+\s+(\S+)\s+\S+\s+(\S+)", line) for line in lines)
    return {row.group(2): row.group(1) for row in rows if row}


def age_s(lines: Sequence[str]) -> int:
    """The age of the youngest of the routers' entries in `show ospf lsadb`; 0 without any."""
    rows = (re.match(r"\s*0001\s+\S+\s+\S+\s+\S+\s+(\d+)\s", line) for line in lines)
    return min((int(row.group(1)) for row in rows if row), default=0)


def links_of(lines: Sequence[str]) -> dict[tuple[str, str], int]:
    """The links of `show ospf topology`, each as each of its ends has it."""
    found, router = {}, ""
    for line in lines:
        if row := re.match(r"\trouter (\S+)", line):
            router = row.group(1)
        elif row := re.match(r"\t\trouter (\S+) metric (\d+)", line):
            found[router, row.group(1)] = int(row.group(2))
    return found


def distances_of(lines: Sequence[str]) -> dict[str, int]:
    """How far each router is by `show ospf topology`."""
    found, router = {}, ""
    for line in lines:
        if row := re.match(r"\trouter (\S+)", line):
            router = row.group(1)
        elif row := re.match(r"\t\tdistance (\d+)", line):
            found[router] = int(row.group(1))
    return found


def shortest(metrics: Metrics, start: str) -> dict[str, int]:
    """How far each is from `start` (Bellman and Ford)."""
    found = {start: 0}
    for _ in metrics:
        for (one, other), cost in metrics.items():
            if one in found:
                found[other] = min(found.get(other, found[one] + cost), found[one] + cost)
    return found
