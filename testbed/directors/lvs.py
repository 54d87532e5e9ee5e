"""What all directors have that are the kernel's IPVS: its schedulers, its service and the pool of servers.

The service address is the director's own: IPVS takes what comes to it before the director's sockets see it. How it then
gets to a server, and how the answers get back, is each director's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.directors.base import Director
from testbed.net import ipvs, ipvs_connections, ipvs_statistics, routing
from testbed.net.ipvs import Forwarding, Service
from testbed.net.netns import Node
from testbed.network import Network
from testbed.record.director import Balanced, OfServer, Passed
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

Scheduler = Literal["rr", "wrr", "lc", "wlc", "sh", "mh"]

_HASHES = ("sh", "mh")
_WITHOUT_WEIGHTS = ("rr", "lc")

Weight = Annotated[int, Field(ge=1, le=1000)]


class Lvs(Director, ABC):
    """The kernel's IPVS."""

    needs = frozenset({ipvs.NEED, *ipvs.SCHEDULERS.values()})
    ipv6_needs: ClassVar[frozenset[Need]] = frozenset({ipvs.OVER_IPV6})

    scheduler: Scheduler = Field(
        default="rr",
        description="How a connection's server is chosen: in turn (`rr`, with weights `wrr`), the one with the fewest "
        "connections (`lc`, with weights `wlc`), by a hash of the client (`sh`, or `mh`: Maglev's).",
    )
    weights: tuple[Weight, ...] | None = Field(
        default=None, strict=False, description="Of each server, in order, for `wrr`, `wlc`, `sh` and `mh`: 1 each."
    )
    hash_port: bool | None = Field(
        default=None,
        description="Of `sh` and `mh`: whether the client's port is hashed as well as its address; true if not said, "
        "because otherwise all that one client address opens comes to one server.",
    )
    hash_fallback: bool | None = Field(
        default=None,
        description="Of `sh` and `mh`: whether another server is chosen where the hash says one of weight 0; true if "
        "not said, because otherwise new connections to a server that is drained are refused.",
    )

    @property
    @abstractmethod
    def forwarding(self) -> Forwarding:
        """How packets get to a server."""

    def features(self) -> frozenset[Need]:
        """IPVS, and the scheduler."""
        found = ipvs.SCHEDULERS.get(self.scheduler)
        return frozenset({ipvs.NEED, found} if found else {ipvs.NEED})

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """A scheduler's settings are its own, and there are as many weights as servers."""
        for key in ("hash_port", "hash_fallback"):
            if getattr(self, key) is not None and self.scheduler not in _HASHES:
                what = f"the scheduler {self.scheduler!r} has no hash"
                yield Complaint(key, what, hint=f"it is for {' and '.join(map(repr, _HASHES))}")
        if self.weights is None:
            return
        if self.scheduler in _WITHOUT_WEIGHTS:
            yield Complaint(
                "weights", f"the scheduler {self.scheduler!r} has none", hint="'wrr' and 'wlc' are for them"
            )
        if len(self.weights) != topology.servers:
            yield Complaint("weights", f"they are {len(self.weights)}, the servers {topology.servers}")

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director's link to the client."""
        routing.add_address(network[layout.director], f"{layout.director}-eth0", layout.service, layout.prefix)

    def serve(self, network: Network, layout: Layout, _seed: int) -> dict[str, Any]:
        """The virtual service with all servers."""
        servers = self.weighted(layout, layout.servers)
        return ipvs.serve(network[layout.director], self.service(layout), servers, self.forwarding)

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """Real servers are removed or added; IPVS forgets the connections of those that it does not know."""
        wanted = self.weighted(layout, servers)
        ipvs.set_servers(network[layout.director], self.service(layout), wanted, self.forwarding)

    def counted(self, director: Node, _layout: Layout) -> Balanced:
        """What IPVS says; to the clients nothing where the answers go past it."""
        found = ipvs_statistics.totals(director)
        return Balanced(
            to_servers=Passed(bytes=found.bytes_in, packets=found.packets_in),
            to_clients=Passed(bytes=found.bytes_out, packets=found.packets_out),
        )

    def of_servers(self, director: Node, layout: Layout) -> dict[str, OfServer] | None:
        """What IPVS says of each real server."""
        names = {place.address: place.name for place in layout.servers}
        found = ipvs_statistics.of_servers(director, self.service(layout))
        return {
            names[address]: OfServer(
                connections=each.connections,
                to_server=Passed(bytes=each.totals.bytes_in, packets=each.totals.packets_in),
                to_clients=Passed(bytes=each.totals.bytes_out, packets=each.totals.packets_out),
            )
            for address, each in found.items()
        }

    def entries(self, director: Node) -> int | None:
        """Those of its table of connections."""
        return ipvs_statistics.connections(director)

    def drain(
        self, network: Network, layout: Layout, servers: Sequence[ServerPlace], drained: Sequence[ServerPlace]
    ) -> None:
        """Drained servers have weight 0."""
        wanted = {**self.weighted(layout, servers), **{each.address: 0 for each in drained}}
        ipvs.set_servers(network[layout.director], self.service(layout), wanted, self.forwarding)

    def forget(self, network: Network, layout: Layout) -> None:
        """The table of connections is empty, and the pool."""
        ipvs_connections.forget(network[layout.director], self.service(layout), self.forwarding)

    def service(self, layout: Layout) -> Service:
        """The virtual service, as IPVS is told of it."""
        flags = 0
        if self.scheduler in _HASHES:
            for wanted, flag in ((self.hash_port, ipvs.PORT), (self.hash_fallback, ipvs.FALLBACK)):
                flags |= 0 if wanted is False else flag
        return Service(layout.service, layout.port, self.scheduler, flags)

    def weighted(self, layout: Layout, servers: Sequence[ServerPlace]) -> Mapping[str, int]:
        """The servers' addresses with their weights."""
        weights = dict(zip((each.name for each in layout.servers), self.weights or (), strict=False))
        return {server.address: weights.get(server.name, 1) for server in servers}
