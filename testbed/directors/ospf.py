"""Routers that run OSPF, as in the paper's Fig. 3: the service address is announced at each server, the nearest has it.

No router keeps anything of a connection. A packet goes where the routes lead when it passes: when a link fails, or a
cost changes, to another server. Each node that takes part runs a BIRD of its own (`testbed.tools.bird`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from testbed.base.parts import Complaint
from testbed.base.quantities import PositiveDuration
from testbed.directors.base import Director
from testbed.directors.bird_configuration import Timers
from testbed.directors.routed_network import RoutedNetwork, home_of
from testbed.net import routing
from testbed.network import Network
from testbed.tools import bird
from topologies.base import Topology
from topologies.layout import Layout, RoutedLink, ServerPlace

_LONGEST_S = 3600


def _whole(value: float) -> float:
    if value != int(value) or value > _LONGEST_S:
        raise ValueError(f"{value:g} s: OSPF has whole seconds, {_LONGEST_S} at most")
    return value


def _as_bfd_has_it(value: float) -> float:
    if not 0.01 <= value <= 10:
        raise ValueError(f"{value:g} s: 10 ms to 10 s")
    return value


_OspfTimer = Annotated[PositiveDuration, AfterValidator(_whole)]


class Ospf(Director):
    """Routers that run OSPF: the service address is announced at each server, and a packet goes to the nearest."""

    needs = bird.NEEDS
    service_path: ClassVar[str] = "anycast address"
    role: ClassVar[Literal["director", "router"]] = "router"
    by_order: ClassVar[bool] = True

    announced_by: Literal["router", "server"] = Field(
        default="router",
        description="Who announces the service address: each server's `router`, as a stub network, whatever becomes of "
        "the server; or the `server` itself, which speaks OSPF to its router, so that a server without power is gone "
        "when its neighbour has missed it for `dead`.",
    )
    hello_s: _OspfTimer = Field(default=1.0, alias="hello", description="From one hello on a link to the next.")
    dead_s: _OspfTimer = Field(
        default=4.0, alias="dead", description="So long without a hello, and a neighbour is gone; longer than `hello`."
    )
    bfd_s: Annotated[PositiveDuration, AfterValidator(_as_bfd_has_it)] | None = Field(
        default=None,
        alias="bfd",
        description="The interval of BFD's packets on every link, three of which may be missed; no BFD if not said.",
    )

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """There are routers, and a neighbour is not dead before it could say anything."""
        if not topology.layout().routed:
            yield Complaint(
                "part", f"{topology.part!r} has no routers that could run OSPF", 'topology.part = "routed-anycast"'
            )
        if self.dead_s <= self.hello_s:
            yield Complaint("dead", f"dead = {self.dead_s:g} s must be longer than hello = {self.hello_s:g} s")

    def socket_address(self, layout: Layout, _server: ServerPlace) -> str:
        """The service address itself."""
        return layout.service

    def entries(self, _router: object) -> int | None:
        """None: there is nothing but routes."""
        return 0

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """The service address, at no link."""
        routing.add_address(network[server.name], "lo", layout.service, 32)

    def routed_links(self, layout: Layout) -> tuple[RoutedLink, ...]:
        """The links over which OSPF goes: those between routers, and to servers that announce themselves."""
        servers = {place.name for place in layout.servers}
        with_servers = self.announced_by == "server"
        return tuple(link for link in layout.routed if with_servers or link.far.node not in servers)

    @contextlib.contextmanager
    def running(self, network: Network, layout: Layout) -> Iterator[None]:
        """A BIRD on each node that takes part."""
        timers = Timers(int(self.hello_s), int(self.dead_s), self.bfd_s)
        with self._of(network, layout).running(timers, self._announcers(layout, layout.servers)):
            yield

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """All neighbours found, and every router's ways to every server."""
        del seed
        return self._of(network, layout).settled()

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """Those announce the service, and the client's router prefers the first, if that is not the nearest one."""
        routed = self._of(network, layout)
        nearest = next(place for place in layout.servers if place in servers)
        preferred = "" if servers[0] == nearest else routed.neighbour(home_of(layout, servers[0]))
        routed.announce(self._announcers(layout, servers), preferred)

    def set_cost(self, network: Network, layout: Layout, link: RoutedLink, cost: int) -> None:
        """A link costs that much from now on, in both directions; raises `ReadbackError`."""
        self._of(network, layout).set_cost(link, cost)

    def checked_from(self, layout: Layout, server: ServerPlace) -> str:
        """Who announces it."""
        return self._announcer(layout, server)

    def _of(self, network: Network, layout: Layout) -> RoutedNetwork:
        return RoutedNetwork(network, layout, self.routed_links(layout))

    def _announcer(self, layout: Layout, server: ServerPlace) -> str:
        return server.name if self.announced_by == "server" else home_of(layout, server)

    def _announcers(self, layout: Layout, servers: Sequence[ServerPlace]) -> Mapping[str, ServerPlace]:
        return {self._announcer(layout, place): place for place in servers}
