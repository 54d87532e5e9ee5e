"""Several directors in the paper's Fig. 5, behind a router that spreads flows over them (`topologies.load_balancer`).

::

      10.0.1.2         10.0.1.1        10.0.(200+k).2    10.0.(100+k).1          10.0.(100+k).(100+i), for each k
    +--------+ client- +--------+      +------------+      +--------+  director- +----------+
    | client |---------| router |------| director k |------| switch |------------| server i |
    +--------+ director+--------+      +------------+      +--------+  server    +----------+
      |  10.0.3.2        VIP 10.0.0.80, on every director                          | 10.0.3.(100+i)
      +---------------------------- direct (client's switch) ----------------------+

The directors share nothing. What one has translated must come back through it: so each has a network of its own behind
it, in which every server has an address; the director translates to that one, and the server answers from it through
that director (a rule for the source address). Large sites let the answers go past the directors (direct server return,
tunnels), which then need no such thing; those that translate have the director put an address of its own, out of a pool
of each director's, in place of the client's as well ("full NAT"), and lose the client's address with it; or they have a
VLAN for each director and route by source, as here.

The links between router, directors and their switch have the rates of all that can come from their one side; only
the client's and the servers' links limit anything, as with one director.
"""

from __future__ import annotations

from dataclasses import dataclass

from mininet.topo import Topo

from topologies import addresses
from topologies.layout import DirectorPlace
from topologies.links import LinkProfile
from topologies.load_balancer_plan import LoadBalancerPlan, add_direct_network

_SERVICE, _CLIENTS, _BEHIND, _BEFORE = 0, 1, 100, 200
"""The numbers of the networks: the service's, the client's, and those behind and before each director."""


@dataclass(frozen=True)
class SeveralDirectorsPlan(LoadBalancerPlan):
    """Names, interfaces and addresses with so many `directors`."""

    directors: int = 2
    director: str = "d1"
    router: str = "r"
    inner_switch: str = "b"

    def towards_client(self) -> list[tuple[str, str]]:
        """The router's and the switch's links to the client."""
        return [(self.router, f"{self.router}-eth0"), (self.switch, f"{self.switch}-eth1")]

    @property
    def vip(self) -> str:
        """The service address, in no network of the client's."""
        return addresses.address(self.families.service, _SERVICE, 80)

    @property
    def client_gateway(self) -> str | None:
        """The router's address on the client's link."""
        return addresses.address(self.families.service, _CLIENTS, 1)

    def local(self, number: int) -> str:
        """The address of server `number` (from 1) behind the first director."""
        return self._inside(1, 100 + number)

    def gateway(self, number: int) -> str:
        """The first director's address behind it."""
        del number
        return self._inside(1, 1)

    def _inside(self, director: int, host: int) -> str:
        """The address of a host in the network behind a director (from 1)."""
        return addresses.address(self.families.service, _BEHIND + director, host)

    def _outside(self, director: int, host: int) -> str:
        """The address of a host in the network between the router and a director."""
        return addresses.address(self.families.service, _BEFORE + director, host)

    @property
    def front(self) -> str:
        """The router."""
        return self.router

    @property
    def behind(self) -> frozenset[str]:
        """The directors' switch."""
        return frozenset({self.inner_switch})

    def links_by_director(self) -> list[tuple[str, str]]:
        """The links on the way by the router and the directors: the nodes at their ends."""
        found = [(self.client, self.router)]
        for place in self.several:
            found += [(self.router, place.name), (place.name, self.inner_switch)]
        return found + [(self.inner_switch, name) for name in self.server_names()]

    @property
    def several(self) -> tuple[DirectorPlace, ...]:
        """The directors, and the servers as each of them knows them."""
        names = list(enumerate(self.server_names(), start=1))
        return tuple(
            DirectorPlace(
                name=f"d{number}",
                address=self._outside(number, 2),
                gateway=self._outside(number, 1),
                inside=self._inside(number, 1),
                servers={name: self._inside(number, 100 + server) for server, name in names},
            )
            for number in range(1, self.directors + 1)
        )


class SeveralDirectorsTopo(Topo):  # type: ignore[misc]
    """Fig. 5 with several directors as a Mininet topology; each link carries its `LinkProfile` as `profile`."""

    def build(
        self, plan: SeveralDirectorsPlan, client_director: LinkProfile, direct: LinkProfile, server: LinkProfile
    ) -> None:
        """Add hosts and links; the interface names are Mininet's (`c-eth0` first)."""
        before = LinkProfile(client_director.rate_bps)
        behind = LinkProfile(plan.servers * server.rate_bps, mtu_bytes=server.mtu_bytes)
        client = self.addHost(plan.client, **plan.client_interface(direct=False))
        router = self.addHost(plan.router, forwards=True, **plan.director_interface())
        self.addLink(client, router, profile=client_director)
        inner = self.addSwitch(plan.inner_switch)
        for place in plan.several:
            director = self.addHost(place.name, forwards=True, ip=f"{place.address}/{plan.prefix}")
            self.addLink(router, director, profile=before, params1={"ip": f"{place.gateway}/{plan.prefix}"})
            self.addLink(director, inner, profile=behind, params1={"ip": f"{place.inside}/{plan.prefix}"})
        for number, name in enumerate(plan.server_names(), start=1):
            self.addHost(name, ip=f"{plan.local(number)}/{plan.prefix}")
            self.addLink(inner, name, profile=server)
        add_direct_network(self, plan, direct)
