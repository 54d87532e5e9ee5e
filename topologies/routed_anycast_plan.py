"""Names, interfaces and addresses of the paper's Fig. 3 (`topologies.routed_anycast`), and the graph for Mininet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mininet.topo import Topo

from topologies import addresses
from topologies.layout import LinkEnd, RoutedLink, ServerPlace
from topologies.links import LinkProfile

RING: tuple[tuple[str, str], ...] = (("r1", "r2"), ("r1", "r4"), ("r2", "r3"), ("r4", "r3"))
"""The links between routers, the end first that is nearer to the client."""

HOMES: tuple[tuple[str, str], ...] = (("r2", "s1"), ("r4", "s2"))
"""Each server's link, from its router."""

CLIENT, FIRST = "c", "r1"
_SERVICE, _CLIENTS = 0, 1
_ROUTER, _HOST = 1, 2


@dataclass(frozen=True)
class Profiles:
    """What each kind of link is: the client's, R1-R2, R1-R4, those of R3, each server's."""

    client: LinkProfile
    near: LinkProfile
    far: LinkProfile
    inner: LinkProfile
    server: LinkProfile

    def of_ring(self) -> tuple[LinkProfile, ...]:
        """Those between routers, in the order of `RING`."""
        return self.near, self.far, self.inner, self.inner

    @property
    def every(self) -> tuple[LinkProfile, ...]:
        """Each kind once."""
        return self.client, self.near, self.far, self.inner, self.server


def service() -> str:
    """The service address, which both servers have."""
    return addresses.address("ipv4", _SERVICE, 80)


def client_address(host: int = _HOST) -> str:
    """An address of the client's link."""
    return addresses.address("ipv4", _CLIENTS, host)


def places() -> tuple[ServerPlace, ...]:
    """The servers; the unique address of each is its only other one."""
    return tuple(
        ServerPlace(
            name=server,
            interface=f"{server}-eth0",
            address=_at_home(router, _HOST),
            unique=_at_home(router, _HOST),
            gateway=_at_home(router, _ROUTER),
        )
        for router, server in HOMES
    )


def routed(costs: tuple[int, ...], server_cost: int) -> tuple[RoutedLink, ...]:
    """The links of the ring with their costs, and those to the servers."""
    ports: dict[str, int] = {FIRST: 1}
    found = []
    for (near, far), cost in zip(RING, costs, strict=True):
        ends = (_ring_end(near, far, ports), _ring_end(far, near, ports))
        found.append(RoutedLink(*ends, cost))
    for router, server in HOMES:
        interface = f"{router}-eth{ports[router]}"
        ends = (
            LinkEnd(router, interface, _at_home(router, _ROUTER)),
            LinkEnd(server, f"{server}-eth0", _at_home(router, _HOST)),
        )
        found.append(RoutedLink(*ends, server_cost))
    return tuple(found)


def _ring_end(node: str, other: str, ports: dict[str, int]) -> LinkEnd:
    port = ports.get(node, 0)
    ports[node] = port + 1
    return LinkEnd(node, f"{node}-eth{port}", _between(node, other))


def _between(node: str, other: str) -> str:
    """A router's address on its link to another: in network 12, that of R1 and R2, host 1 is R1 and host 2 is R2."""
    low, high = sorted(int(name.removeprefix("r")) for name in (node, other))
    return addresses.address("ipv4", 10 * low + high, int(node.removeprefix("r")))


def _at_home(router: str, host: int) -> str:
    """An address on the link from a router to its server: in network 22 of R2's, in 44 of R4's."""
    return addresses.address("ipv4", 11 * int(router.removeprefix("r")), host)


class RoutedAnycastTopo(Topo):  # type: ignore[misc]
    """Fig. 3 as a Mininet topology; each link carries its `LinkProfile` as `profile`."""

    def build(self, profiles: Profiles) -> None:
        """Add hosts and links; a router's interfaces are numbered in the order of its links."""
        self.addHost(CLIENT, **_told(client_address()))
        self.addHost(FIRST, forwards=True, **_told(client_address(_ROUTER)))
        for name, other in (("r2", "r1"), ("r3", "r2"), ("r4", "r1")):
            self.addHost(name, forwards=True, **_told(_between(name, other)))
        for place in places():
            self.addHost(place.name, **_told(place.address))
        self.addLink(CLIENT, FIRST, profile=profiles.client)
        for (near, far), profile in zip(RING, profiles.of_ring(), strict=True):
            ends = {f"params{n}": _told(_between(*pair)) for n, pair in ((1, (near, far)), (2, (far, near)))}
            self.addLink(near, far, profile=profile, **ends)
        for router, server in HOMES:
            self.addLink(router, server, profile=profiles.server, params1=_told(_at_home(router, _ROUTER)))


def _told(address: str) -> dict[str, Any]:
    """What Mininet is told of an interface."""
    return {"ip": f"{address}/{addresses.PREFIX['ipv4']}"}
