"""What a set-up says to those who build it: names, addresses, interfaces, routes. Pure description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface
from typing import Literal

from mininet.topo import Topo

from testbed.base.families import whole_length


@dataclass(frozen=True)
class OwnWay:
    """Packets from a server's unique address leave by `interface`, where `network` is.

    `address` is the server's there that is of the service's family, the unique one or another.
    """

    interface: str
    network: str
    address: str


@dataclass(frozen=True)
class WayPast:
    """Packets from the service address leave a server by `interface`, past its director; `gateway` is the next hop."""

    interface: str
    gateway: str


@dataclass(frozen=True)
class ServerPlace:
    """A server: its interface towards the director and the address on it, its default route, and the unique address
    that it advertises, with a way of its own where it has one (packets from it must not go back by the director).

    `address` and `gateway` are of the service's family; `further_gateways` are default routes of another one.
    `past` is the way of what it sends from the service address itself, where a director leaves that address to its
    servers; without one that goes by the default route as well. `mtu_bytes` is that of its link to the director.
    """

    name: str
    interface: str
    address: str
    unique: str
    gateway: str
    own_way: OwnWay | None = None
    further_gateways: tuple[str, ...] = ()
    past: WayPast | None = None
    mtu_bytes: int = 1500


@dataclass(frozen=True)
class DirectorPlace:
    """One of several directors behind a router: its address for that router, which is its `gateway`.

    `servers` are the servers' addresses behind this director, by the servers' names, and `inside` is its own address
    there: what a server sends from the one must leave by the other.
    """

    name: str
    address: str
    gateway: str
    inside: str
    servers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkEnd:
    """A node's end of a link, and its address there."""

    node: str
    interface: str
    address: str


@dataclass(frozen=True)
class RoutedLink:
    """A link over which a routing protocol may run, `near` its end that is nearer to the client; `cost` is its metric.

    Its name has both nodes (`r1-r2`): timetables say what happens to it.
    """

    near: LinkEnd
    far: LinkEnd
    cost: int

    @property
    def name(self) -> str:
        """The nodes at its ends."""
        return "-".join(sorted(end.node for end in self.ends))

    @property
    def ends(self) -> tuple[LinkEnd, LinkEnd]:
        """Both, the nearer one first."""
        return self.near, self.far


@dataclass(frozen=True)
class Layout:
    """A topology for Mininet and the roles in it.

    `director` is the node that spreads the service address over the servers, the first of them where there are
    `several`: these are behind the router `front`, which spreads flows over them. `behind` are the nodes that their
    links to the servers lead to, where these are not the servers. `prefix` is the length of the
    prefixes of the service address's family. `client_gateway` is the client's default route, None where it has none,
    and `client_further_gateways` are those of another family; servers have theirs in their place.
    `client_further_addresses` (with their prefixes) are on the client's first interface beside those that `topo` gives
    it; it may get `client_second_address` there as well. `towards_client` are nodes and interfaces that
    everything of the client passes first, none of them the client's own. `lossy_links` are pairs of nodes between
    which packets travel one by one, because there is loss to hit them on the way that leads there. `routed` are the
    links between routers, over which they find their ways by a routing protocol, and those that lead from them to the
    servers, where servers may take part in it.
    """

    topo: Topo
    client: str
    director: str
    service: str
    port: int
    prefix: int
    servers: tuple[ServerPlace, ...]
    client_addresses: tuple[str, ...]
    client_second_address: str
    client_interfaces: tuple[str, ...]
    client_gateway: str | None = None
    client_further_gateways: tuple[str, ...] = ()
    client_further_addresses: tuple[str, ...] = ()
    towards_client: Sequence[tuple[str, str]] = ()
    lossy_links: frozenset[frozenset[str]] = frozenset()
    behind: frozenset[str] = frozenset()
    front: str = ""
    several: tuple[DirectorPlace, ...] = ()
    routed: tuple[RoutedLink, ...] = ()

    @property
    def directors(self) -> tuple[str, ...]:
        """The names of all directors, in order."""
        return tuple(each.name for each in self.several) or (self.director,)

    def nodes_of(self, role: Literal["director", "router"]) -> tuple[str, ...]:
        """The nodes whose role is the director's: all directors; of routers, all of a routed network."""
        servers = {place.name for place in self.servers}
        routers = {end.node for link in self.routed for end in link.ends} - servers
        return tuple(sorted(routers)) if role == "router" and routers else self.directors

    def of(self, director: str) -> Layout:
        """The layout as that director has it: itself, the servers' addresses behind it, and the service for itself."""
        for place in self.several:
            if place.name == director:
                servers = (
                    replace(each, address=place.servers[each.name], gateway=place.inside) for each in self.servers
                )
                alone = whole_length(self.service)
                return replace(self, director=director, servers=tuple(servers), prefix=alone)
        return self

    @property
    def service_is_on_link(self) -> bool:
        """Whether the client asks its first link for the service address, as one of its own network."""
        network = ip_interface(f"{self.client_addresses[0]}/{self.prefix}").network
        return ip_address(self.service) in network

    def is_lossy(self, one: str, other: str) -> bool:
        """Whether the link between two nodes is on a way with loss."""
        return frozenset((one, other)) in self.lossy_links
