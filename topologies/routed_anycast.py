"""The paper's Fig. 3: servers at two routers of a network have one address, and routing decides whose a packet is.

::

                 near           server
    client --- R1 --- R2 ------------- server 1
               |      |
           far |      | inner
               |      |
               R4 --- R3
               | inner
        server |
               server 2

R2 is nearer to the client's router than R4 is, by the costs of the links (Duchene and Bonaventure, ICNP 2017, section
IV-B). Each server has a unique address besides, that of its own link. When R1-R2 fails, both addresses of server 1
lose their way: the service address then leads to server 2, and the unique one to server 1 still, by R4 and R3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.base.traits import Bottleneck
from topologies import addresses, links
from topologies import routed_anycast_plan as plan
from topologies.base import Topology
from topologies.layout import Layout, RoutedLink
from topologies.links import Link, LinkProfile
from topologies.routed_anycast_plan import Profiles, RoutedAnycastTopo

PICTURE = """\
  client ------------- R1 ------- R2 ------- server 1
  {address}             |          |         anycast {service}
                       |          |         unique  {first}
                       |          |
                       R4 ------- R3
                       |
                       +-------------------- server 2
                                            anycast {service}
                                            unique  {second}
  client  {client}
  R1-R2   {near}, cost {near_cost}
  R1-R4   {far}, cost {far_cost}
  R2-R3, R3-R4  {inner}, cost {inner_cost} each
  servers {server} each
"""

_Cost = Annotated[int, Field(ge=1, le=65535)]


class CostlyLink(Link):
    """A link between routers."""

    cost: _Cost = Field(description="Its cost in both directions, by which routing chooses the shortest path.")


class RoutedAnycast(Topology):
    """The paper's Fig. 3: four routers in a ring, and two servers at two of them that share an anycast address."""

    needs = links.NEEDS

    servers: Literal[2] = Field(default=2, description="How many servers there are: one at R2, one at R4.")
    client: Link = Field(description="The client's link to R1.")
    near: CostlyLink = Field(description="The link R1-R2.")
    far: CostlyLink = Field(description="The link R1-R4.")
    inner: CostlyLink = Field(description="The links R2-R3 and R3-R4, each.")
    server: Link = Field(description="The servers' links to their routers, each.")

    @property
    def profiles(self) -> Profiles:
        """What its links are."""
        kinds = (self.client, self.near, self.far, self.inner, self.server)
        return Profiles(*(each.profile for each in kinds))

    def check(self) -> Iterator[Complaint]:
        """R2 is nearer than R4."""
        yield from super().check()
        if self.near.cost >= self.far.cost:
            what = f"near.cost = {self.near.cost} must be below far.cost = {self.far.cost}: R2 is the nearer one"
            yield Complaint("near", what)

    def features(self) -> frozenset[Need]:
        """What its links need."""
        return links.features(self.profiles.every)

    def layout(self) -> Layout:
        """What is built, and who is who in it."""
        return Layout(
            topo=RoutedAnycastTopo(profiles=self.profiles),
            client=plan.CLIENT,
            director=plan.FIRST,
            service=plan.service(),
            port=80,
            prefix=addresses.PREFIX["ipv4"],
            servers=plan.places(),
            client_addresses=(plan.client_address(),),
            client_second_address=plan.client_address(3),
            client_interfaces=(f"{plan.CLIENT}-eth0",),
            client_gateway=plan.client_address(1),
            towards_client=((plan.FIRST, f"{plan.FIRST}-eth0"),),
            lossy_links=self._lossy_links(),
            behind=frozenset(far for near, far in plan.RING if near == plan.FIRST),
            routed=self.routed,
        )

    @property
    def routed(self) -> tuple[RoutedLink, ...]:
        """The links over which routing goes, with their costs."""
        return plan.routed((self.near.cost, self.far.cost, self.inner.cost, self.inner.cost), server_cost=1)

    def _lossy_links(self) -> frozenset[frozenset[str]]:
        """All links, if one of them loses packets: any of them may lead there."""
        if not any(profile.is_lossy for profile in self.profiles.every):
            return frozenset()
        pairs = ((plan.CLIENT, plan.FIRST), *plan.RING, *plan.HOMES)
        return frozenset(frozenset(pair) for pair in pairs)

    def bottlenecks(self, *, mptcp: bool) -> tuple[Bottleneck, ...]:
        """The client's link, which all that the servers send passes."""
        del mptcp
        return (Bottleneck(name="client's link", interfaces=("-eth0",), rate_bps=self.client.rate_bps),)

    def path_rate_bps(self, *, past_director: bool) -> int:
        """The rate of the path to a server: all ways begin with the client's link, and end with the server's."""
        del past_director
        return min(self.client.rate_bps, max(self.near.rate_bps, self.far.rate_bps), self.server.rate_bps)

    def path_to_service(self) -> tuple[LinkProfile, ...]:
        """The links between the client and a server by the service address, of the longer way."""
        found = self.profiles
        longer = max(found.near, found.far, key=lambda each: links.round_trip_s((each,)))
        return found.client, longer, found.server

    def delivery_share(self) -> float:
        """The share of exchanges that lose nothing on any of the links."""
        return links.delivery_share(self.profiles.every)

    def picture(self) -> str:
        """The topology as text."""
        first, second = plan.places()
        found = self.profiles
        return PICTURE.format(
            client=found.client,
            near=found.near,
            far=found.far,
            inner=found.inner,
            server=found.server,
            near_cost=self.near.cost,
            far_cost=self.far.cost,
            inner_cost=self.inner.cost,
            address=plan.client_address(),
            service=plan.service(),
            first=first.unique,
            second=second.unique,
        )
