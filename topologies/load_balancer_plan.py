"""Names, interfaces, addresses and links of the paper's Fig. 5 (`topologies.load_balancer`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mininet.topo import Topo

from testbed.base.families import ONLY_IPV4, Families
from topologies import addresses
from topologies.layout import DirectorPlace
from topologies.links import LinkProfile

_FRONT, _DIRECT, _BEHIND = 1, 3, 10
"""The numbers of the networks: the client's with the director, the direct one, and before those behind the director."""


@dataclass(frozen=True)
class LoadBalancerPlan:
    """Names, interfaces and addresses of the topology for `servers` servers.

    `inside`: the switch of the direct network is inside the direct path, to whose delay and loss it adds nothing.
    """

    servers: int
    switched: bool = False
    one_interface: bool = False
    families: Families = ONLY_IPV4
    inside: bool = False
    client: str = "c"
    director: str = "d"
    switch: str = "w"
    port: int = 80

    def server_names(self) -> list[str]:
        """s1 ... sN."""
        return [f"s{number}" for number in range(1, self.servers + 1)]

    def has_switch(self) -> bool:
        """Whether the direct network is a switch."""
        return self.switched or self.one_interface or self.servers > 1

    def towards_client(self) -> list[tuple[str, str]]:
        """Nodes and interfaces that everything of the client passes first; needs the switch."""
        if self.one_interface:
            return [(self.switch, f"{self.switch}-eth1")]
        return [(self.director, f"{self.director}-eth0"), (self.switch, f"{self.switch}-eth1")]

    @property
    def client_gateway(self) -> str | None:
        """The client's default route; both its networks are its own."""
        return None

    @property
    def front(self) -> str:
        """The router in front of several directors."""
        return ""

    @property
    def several(self) -> tuple[DirectorPlace, ...]:
        """The directors, if there are several."""
        return ()

    @property
    def behind(self) -> frozenset[str]:
        """What the directors' links to the servers lead to, if not to the servers."""
        return frozenset()

    def links_by_director(self) -> list[tuple[str, str]]:
        """The links on the way by the director, but for a client's only one: the nodes at their ends."""
        client = self.switch if self.one_interface else self.client
        return [(self.director, other) for other in (client, *self.server_names())]

    @property
    def prefix(self) -> int:
        """The length of the prefixes of the service's family."""
        return addresses.PREFIX[self.families.service]

    @property
    def vip(self) -> str:
        """The service address."""
        return addresses.address(self.families.service, _FRONT, 80)

    @property
    def client_address(self) -> str:
        """The client's, towards the director."""
        return addresses.address(self.families.service, _FRONT, 2)

    @property
    def client_second_address(self) -> str:
        """The one that a client with an endpoint of its own has there as well."""
        return addresses.address(self.families.service, _FRONT, 3)

    @property
    def client_direct_address(self) -> str:
        """The client's in the direct network."""
        return addresses.address(self.families.unique, _DIRECT, 2)

    @property
    def client_past_director(self) -> str:
        """The next hop of what a server sends from the service address in the direct network: the client itself."""
        return addresses.address(self.families.service, _DIRECT, 2)

    @property
    def client_addresses(self) -> tuple[str, ...]:
        """All that it has from the beginning."""
        networks = (_FRONT, _DIRECT)
        return tuple(addresses.address(family, each, 2) for family in self.families.every for each in networks)

    @property
    def client_direct_addresses(self) -> tuple[str, ...]:
        """The client's in the direct network, of every family, with their prefixes."""
        each = self.families.every
        return tuple(f"{addresses.address(family, _DIRECT, 2)}/{addresses.PREFIX[family]}" for family in each)

    @property
    def director_address(self) -> str:
        """The director's, towards the client."""
        return addresses.address(self.families.service, _FRONT, 1)

    @property
    def unique_network(self) -> str:
        """Where a server's unique address reaches the client: the direct network, or all of the client's.

        If the client has both networks on one interface, a server reaches either directly from its own address.
        """
        family = self.families.unique
        return addresses.first_networks(family, 2) if self.one_interface else addresses.network(family, _DIRECT)

    def local(self, number: int) -> str:
        """Real server address of server `number` (from 1), behind the director."""
        return addresses.address(self.families.service, _BEHIND + number, 2)

    def gateway(self, number: int) -> str:
        """The director's address on the link to server `number`."""
        return addresses.address(self.families.service, _BEHIND + number, 1)

    def unique(self, number: int) -> str:
        """The unique address of server `number`, which it advertises by ADD_ADDR."""
        return addresses.address(self.families.unique, _DIRECT, 100 + number)

    def beside(self, number: int) -> str:
        """A server's address on the direct network that is of the service's family."""
        return addresses.address(self.families.service, _DIRECT, 100 + number)

    def client_interface(self, *, direct: bool) -> dict[str, Any]:
        """What Mininet is told of the client's interface towards the director, or in the direct network."""
        return addresses.interface(self.families, _DIRECT if direct else _FRONT, 2)

    def director_interface(self, number: int = 0) -> dict[str, Any]:
        """What it is told of the director's towards server `number`, or towards the client."""
        return addresses.interface(self.families, _BEHIND + number if number else _FRONT, 1)

    def server_interface(self, number: int, *, direct: bool) -> dict[str, Any]:
        """What it is told of a server's towards the director, or in the direct network."""
        where = (_DIRECT, 100 + number) if direct else (_BEHIND + number, 2)
        return addresses.interface(self.families, *where)


class LoadBalancerTopo(Topo):  # type: ignore[misc]
    """Fig. 5 as a Mininet topology; each link carries its `LinkProfile` as `profile`."""

    def build(
        self,
        plan: LoadBalancerPlan,
        client_director: LinkProfile,
        direct: LinkProfile,
        server: LinkProfile,
        client_link: LinkProfile | None = None,
    ) -> None:
        """Add hosts and links; the interface names are Mininet's (`c-eth0` first)."""
        client = self.addHost(plan.client, **plan.client_interface(direct=False))
        director = self.addHost(plan.director, forwards=True, **plan.director_interface())
        if client_link:
            switch = self.addSwitch(plan.switch)
            self.addLink(client, switch, profile=client_link)
            self.addLink(director, switch, profile=client_director.reversed)
        else:
            self.addLink(client, director, profile=client_director)
        for number, name in enumerate(plan.server_names(), start=1):
            host = self.addHost(name, **plan.server_interface(number, direct=False))
            self.addLink(director, host, profile=server, params1=plan.director_interface(number))
        add_direct_network(self, plan, direct, switch=switch if client_link else None)


def add_direct_network(topo: Topo, plan: LoadBalancerPlan, direct: LinkProfile, switch: str | None = None) -> None:
    """Add the links past the directors; `switch`: one that the client is on already."""
    client_side = plan.client_interface(direct=True)
    names = plan.server_names()
    if not plan.has_switch():
        unique = plan.server_interface(1, direct=True)
        topo.addLink(plan.client, names[0], profile=direct, params1=client_side, params2=unique)
        return
    if switch is None:
        switch = topo.addSwitch(plan.switch)
        near = direct.bare if plan.inside else direct
        topo.addLink(plan.client, switch, profile=near, params1=client_side)
    for number, name in enumerate(names, start=1):
        unique = plan.server_interface(number, direct=True)
        topo.addLink(name, switch, profile=direct.reversed, params1=unique)
