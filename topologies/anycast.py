"""The paper's Fig. 12: a client, a router with equal-cost paths, servers that share an anycast address.

::

      10.0.1.2   10.0.1.1         10.0.(10+i).1   10.0.(10+i).2
    +--------+           +--------+             +----------+
    | client |-----------| router |-------------| server i |  anycast 10.0.0.80
    +--------+           +--------+             +----------+

Each server has one interface with its unique address and the anycast address on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mininet.topo import Topo
from pydantic import Field

from testbed.base.families import ONLY_IPV4, Families
from testbed.base.needs import Need
from testbed.base.quantities import Rate, Servers
from testbed.base.traits import Bottleneck
from topologies import addresses, links
from topologies.families import IPV6, WithFamilies
from topologies.layout import Layout, ServerPlace
from topologies.links import LinkProfile

PICTURE = """\
         {client_link}                 {server_link} each
  client ----------------- router ----------------- server 1{servers}
  {client:<22}{director:<24}anycast {anycast}
                                            unique  {unique}{last}
"""

_FRONT, _BEHIND = 1, 10
"""The numbers of the networks: the client's, and before those of the servers."""


@dataclass(frozen=True)
class AnycastPlan:
    """Names, interfaces and addresses of the topology for `servers` servers."""

    servers: int
    families: Families = ONLY_IPV4
    client: str = "c"
    router: str = "r"
    port: int = 80

    def server_names(self) -> list[str]:
        """s1 ... sN."""
        return [f"s{number}" for number in range(1, self.servers + 1)]

    def towards_client(self) -> list[tuple[str, str]]:
        """Node and interface that everything of the client passes first."""
        return [(self.router, f"{self.router}-eth0")]

    @property
    def prefix(self) -> int:
        """The length of the prefixes of the service's family."""
        return addresses.PREFIX[self.families.service]

    @property
    def anycast(self) -> str:
        """The service address."""
        return addresses.address(self.families.service, 0, 80)

    @property
    def client_addresses(self) -> tuple[str, ...]:
        """The client's, that of the service's family first."""
        return tuple(addresses.address(family, _FRONT, 2) for family in self.families.every)

    @property
    def client_second_address(self) -> str:
        """The one that a client with an endpoint of its own has as well."""
        return addresses.address(self.families.service, _FRONT, 3)

    @property
    def router_addresses(self) -> tuple[str, ...]:
        """The router's towards the client, that of the service's family first."""
        return tuple(addresses.address(family, _FRONT, 1) for family in self.families.every)

    def address(self, number: int) -> str:
        """The address of server `number` (from 1) of the service's family."""
        return addresses.address(self.families.service, _BEHIND + number, 2)

    def unique(self, number: int) -> str:
        """The unique address of server `number`, which it advertises by ADD_ADDR."""
        return addresses.address(self.families.unique, _BEHIND + number, 2)

    def gateways(self, number: int) -> tuple[str, ...]:
        """The router's addresses on the link to server `number`, that of the service's family first."""
        return tuple(addresses.address(family, _BEHIND + number, 1) for family in self.families.every)

    def front(self, host: int) -> dict[str, Any]:
        """What Mininet is told of an interface on the client's link."""
        return addresses.interface(self.families, _FRONT, host)

    def behind(self, number: int, host: int) -> dict[str, Any]:
        """What it is told of an interface on the link to server `number`."""
        return addresses.interface(self.families, _BEHIND + number, host)


class AnycastTopo(Topo):  # type: ignore[misc]
    """Fig. 12 as a Mininet topology; each link carries its `LinkProfile` as `profile`."""

    def build(self, plan: AnycastPlan, client_link: LinkProfile, server_link: LinkProfile) -> None:
        """Add hosts and links; server i hangs on the router's interface `r-eth(i)`."""
        client = self.addHost(plan.client, **plan.front(2))
        router = self.addHost(plan.router, forwards=True, **plan.front(1))
        self.addLink(client, router, profile=client_link)
        for number, name in enumerate(plan.server_names(), start=1):
            server = self.addHost(name, **plan.behind(number, 2))
            self.addLink(router, server, profile=server_link, params1=plan.behind(number, 1))


class Anycast(WithFamilies):
    """The paper's Fig. 12: a client, a router, servers behind it that share an anycast address."""

    needs = links.NEEDS | {IPV6}

    servers: Servers = Field(description="How many servers there are.")
    client_rate_bps: Rate = Field(alias="client_rate", description="The rate of the client's link.")
    server_rate_bps: Rate = Field(alias="server_rate", description="The rate of each server's link.")

    @property
    def plan(self) -> AnycastPlan:
        """Names and addresses."""
        return AnycastPlan(self.servers, self.families)

    @property
    def client_link(self) -> LinkProfile:
        """The link between client and router."""
        return LinkProfile(self.client_rate_bps)

    @property
    def server_link(self) -> LinkProfile:
        """The link between the router and each server."""
        return LinkProfile(self.server_rate_bps)

    def features(self) -> frozenset[Need]:
        """What its links need, and its addresses."""
        return links.features((self.client_link, self.server_link)) | self.family_needs()

    def layout(self) -> Layout:
        """What is built, and who is who in it."""
        plan = self.plan
        servers = tuple(
            ServerPlace(
                name=name,
                interface=f"{name}-eth0",
                address=plan.address(number),
                unique=plan.unique(number),
                gateway=plan.gateways(number)[0],
                further_gateways=plan.gateways(number)[1:],
            )
            for number, name in enumerate(plan.server_names(), start=1)
        )
        return Layout(
            topo=AnycastTopo(plan=plan, client_link=self.client_link, server_link=self.server_link),
            client=plan.client,
            director=plan.router,
            service=plan.anycast,
            port=plan.port,
            prefix=plan.prefix,
            servers=servers,
            client_addresses=plan.client_addresses,
            client_second_address=plan.client_second_address,
            client_interfaces=(f"{plan.client}-eth0",),
            client_gateway=plan.router_addresses[0],
            client_further_gateways=plan.router_addresses[1:],
            towards_client=plan.towards_client(),
        )

    def bottlenecks(self, *, mptcp: bool) -> tuple[Bottleneck, ...]:
        """The servers' links: what they carry together, and the client's, of which there is one."""
        return (
            Bottleneck(
                name="servers' links",
                interfaces=("-eth0",),
                rate_bps=self.client_rate_bps,
                parallel=self.servers,
                per_server_bps=self.server_rate_bps,
                lasting=mptcp,
            ),
        )

    def path_rate_bps(self, *, past_director: bool) -> int:
        """The rate of all paths to the client together; there is no other."""
        del past_director
        return min(self.client_rate_bps, self.servers * self.server_rate_bps)

    def delivery_share(self) -> float:
        """The share of exchanges that lose nothing on any of the links."""
        return links.delivery_share((self.client_link, self.server_link))

    def path_to_service(self) -> tuple[LinkProfile, ...]:
        """The links between the client and a server by the service address."""
        return (self.client_link, self.server_link)

    def picture(self) -> str:
        """The topology as text."""
        return self.drawn("")

    def drawn(self, director: str) -> str:
        """The topology as text, with what its director is."""
        plan = self.plan
        return PICTURE.format(
            client_link=self.client_link,
            server_link=self.server_link,
            servers=f" ... {plan.servers}" if plan.servers > 1 else "",
            client=plan.client_addresses[0],
            director=director,
            anycast=plan.anycast,
            unique=plan.unique(1),
            last=f" ... {plan.unique(plan.servers)}" if plan.servers > 1 else "",
        )
