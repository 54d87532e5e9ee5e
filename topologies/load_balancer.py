"""The paper's Fig. 5: a client, a layer-4 load balancer, servers with a second way to the client.

::

      10.0.1.2            10.0.1.1                10.0.(10+i).1     10.0.(10+i).2
    +--------+  client-director  +----------+  director-server  +----------+
    | client |-------------------| director |-------------------| server i |
    +--------+                   +----------+                   +----------+
      |  10.0.3.2              VIP 10.0.1.80                          | 10.0.3.(100+i)
      +------------------- direct (client's switch) ------------------+

A director that translates addresses (LVS-NAT) needs each server's way back to the client's first link to lead
through it. One that leaves the service address to its servers (direct server return) has their answers by the direct
path, or with `answers = "director"` by itself. With one server the direct network is a single link, with more (or
where something must sit in the middle of it) a switch.

With `client_link` the client has one interface for both networks, into a switch in front of everything::

    +--------+  client_link   +--------+  client-director  +----------+  director-server  +----------+
    | client |----------------| switch |-------------------| director |-------------------| server i |
    +--------+                +--------+                   +----------+                   +----------+
      10.0.1.2, 10.0.3.2           +------------------- direct -------------------------------+

With several `directors` these are behind a router: `topologies.several_directors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from mininet.topo import Topo
from pydantic import Field

from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.base.quantities import MAX_DIRECTORS
from testbed.base.traits import Bottleneck
from topologies import links
from topologies.families import IPV6, WithFamilies
from topologies.layout import Layout, OwnWay, ServerPlace, WayPast
from topologies.links import InnerLink, Link, LinkProfile
from topologies.load_balancer_picture import picture
from topologies.load_balancer_plan import LoadBalancerPlan, LoadBalancerTopo
from topologies.several_directors import SeveralDirectorsPlan, SeveralDirectorsTopo

LIMIT_NOTE = "Limit of MPTCP: the direct path alone. What a page still gets through the director comes on top of it."
NO_PATH_NOTE = "Limit of a variant whose servers announce no address: the path through the director."
NO_JOIN_NOTE = "Limit of a client with IPv4 sockets, which join no IPv6 address: the path through the director."


class LoadBalancer(WithFamilies):
    """The paper's Fig. 5: a client, a director, servers with a second path to the client past the director."""

    needs = links.NEEDS | {links.BRIDGE, IPV6}

    client_director: Link = Field(description="The link between the client and the director.")
    direct: Link = Field(description="The direct path: every server's second interface, and the client's.")
    director_server: InnerLink = Field(description="The link between the director and each server.")
    client_link: Link | None = Field(
        default=None,
        description="The client's only link, for both networks, into a switch that the director and the servers' "
        "second interfaces are on; by default the client has an interface in each network.",
    )
    directors: Annotated[int, Field(ge=1, le=MAX_DIRECTORS)] = Field(
        default=1,
        description="How many directors there are. Several know nothing of each other, and a router in front of them "
        "spreads the flows over them by a hash: then `client_director` is the client's link to that router.",
    )
    answers: Literal["direct", "director"] | None = Field(
        default=None,
        description="By which link servers send from the service address, if their director leaves it to them "
        "(`ipvs-dr`, `ipvs-tun`): the direct path if not said, or back through the director.",
    )
    switched: bool | None = Field(
        default=None,
        description="Whether the direct path goes through a switch; by default where there are several servers.",
    )
    switch_inside: bool | None = Field(
        default=None,
        description="Whether the client's link to that switch is without delay and loss; if not said, it has those of "
        "`direct`, as every server's has.",
    )

    @property
    def plan(self) -> LoadBalancerPlan:
        """Names and addresses."""
        switched, inside = bool(self.switched), bool(self.switch_inside)
        if self.directors > 1:
            return SeveralDirectorsPlan(
                self.servers, switched, families=self.families, inside=inside, directors=self.directors
            )
        one_interface = self.client_link is not None
        return LoadBalancerPlan(self.servers, switched, one_interface, families=self.families, inside=inside)

    @property
    def largest_seed(self) -> tuple[int, str] | None:
        """That of the router in front of several directors, whose hash has all bits of the seed turned."""
        return ((1 << 32) - 2, "the router's hash over the directors") if self.directors > 1 else None

    def check(self) -> Iterator[Complaint]:
        """A client with one interface has one director."""
        yield from super().check()
        if self.directors > 1 and self.client_link:
            yield Complaint("client_link", f"a client with one link has one director, not {self.directors}")

    @property
    def profiles(self) -> tuple[LinkProfile, ...]:
        """What its links are, each kind once."""
        return (self.client_director.profile, self.direct.profile, self.director_server.profile, *self._only_link)

    @property
    def _only_link(self) -> tuple[LinkProfile, ...]:
        """The client's link to the switch, if it has an interface there and no other."""
        return (self.client_link.profile,) if self.client_link else ()

    def with_a_middle(self) -> Self:
        """With a switch in the direct path, whose delay and loss stay what they are: losses are made there."""
        splits = not self.plan.has_switch() and self.direct.profile != self.direct.profile.bare
        inside = {"switch_inside": True} if splits else {}
        return self.model_copy(update={"switched": True, **inside})

    def features(self) -> frozenset[Need]:
        """What its links need, its addresses and its switch."""
        found = links.features(self.profiles) | self.family_needs()
        return found | ({links.BRIDGE} if self.directors > 1 or self.plan.has_switch() else set())

    def layout(self) -> Layout:
        """What is built, and who is who in it."""
        plan, (client_director, direct, director_server, *own) = self.plan, self.profiles
        numbered = list(enumerate(plan.server_names(), start=1))
        servers = tuple(
            ServerPlace(
                name=name,
                interface=f"{name}-eth0",
                address=plan.local(number),
                unique=plan.unique(number),
                gateway=plan.gateway(number),
                own_way=OwnWay(f"{name}-eth1", plan.unique_network, plan.beside(number)),
                past=WayPast(f"{name}-eth1", plan.client_past_director) if self.answers_past() else None,
                mtu_bytes=director_server.mtu_bytes,
            )
            for number, name in numbered
        )
        topo: Topo
        if isinstance(plan, SeveralDirectorsPlan):
            topo = SeveralDirectorsTopo(
                plan=plan, client_director=client_director, direct=direct, server=director_server
            )
        else:
            topo = LoadBalancerTopo(
                plan=plan,
                client_director=client_director,
                direct=direct,
                server=director_server,
                client_link=own[0] if own else None,
            )
        return Layout(
            topo=topo,
            client=plan.client,
            director=plan.director,
            service=plan.vip,
            port=plan.port,
            prefix=plan.prefix,
            servers=servers,
            client_addresses=plan.client_addresses,
            client_second_address=plan.client_second_address,
            client_interfaces=(f"{plan.client}-eth0",) if own else (f"{plan.client}-eth0", f"{plan.client}-eth1"),
            client_gateway=plan.client_gateway,
            client_further_addresses=plan.client_direct_addresses if own else (),
            towards_client=plan.towards_client(),
            lossy_links=self._lossy_links(),
            behind=plan.behind,
            front=plan.front,
            several=plan.several,
        )

    def _lossy_links(self) -> frozenset[frozenset[str]]:
        """Pairs of neighbours on ways with loss."""
        plan, names = self.plan, self.plan.server_names()
        lossy: set[frozenset[str]] = set()
        if self.client_director.profile.is_lossy or self.director_server.profile.is_lossy:
            lossy |= {frozenset(pair) for pair in plan.links_by_director()}
        if self.direct.profile.is_lossy:
            middle = plan.switch if plan.has_switch() else names[0]
            lossy |= {frozenset((middle, other)) for other in (plan.client, *names)}
        if self.client_link and (lossy or self.client_link.profile.is_lossy):
            lossy |= {frozenset((plan.switch, other)) for other in (plan.client, plan.director, *names)}
        return frozenset(lossy)

    def bottlenecks(self, *, mptcp: bool) -> tuple[Bottleneck, ...]:
        """The links that can be full on the way to the client."""
        if self.client_link:
            rate_bps = self.path_rate_bps(past_director=mptcp)
            return (Bottleneck(name="client's link", interfaces=("-eth0",), rate_bps=rate_bps),)
        through = self.path_rate_bps(past_director=False)
        return (
            Bottleneck(name="link to the director", interfaces=("-eth0",), rate_bps=through),
            Bottleneck(name="direct link", interfaces=("-eth1",), rate_bps=self.direct.rate_bps),
        )

    def path_rate_bps(self, *, past_director: bool) -> int:
        """The rate of the path that a bulk transfer takes: past the director where it can."""
        rates = [each.rate_bps for each in self._only_link]
        if past_director:
            return min([*rates, self.direct.rate_bps])
        return min([*rates, self.client_director.rate_bps, self.servers * self.director_server.rate_bps])

    def path_interfaces(self, *, past_director: bool) -> tuple[str, ...]:
        """The client's second interface past the director, its first one else; any where it has only one."""
        if self.client_link:
            return ()
        return ("-eth1",) if past_director else ("-eth0",)

    def answers_past(self) -> str:
        """The direct path, unless told otherwise."""
        return "" if self.answers == "director" else "the direct path"

    def wants_answers_past(self) -> bool:
        """If `answers` says so."""
        return self.answers == "direct"

    def limit_note(self, *, mptcp: bool, past_director: bool) -> str:
        """What a limit that is worked out from `path_rate_bps` leaves out."""
        if not mptcp:
            return ""
        return LIMIT_NOTE if past_director else NO_PATH_NOTE if self.can_join else NO_JOIN_NOTE

    def delivery_share(self) -> float:
        """The share of exchanges that lose nothing on any of the links."""
        return links.delivery_share(self.profiles)

    def path_to_service(self) -> tuple[LinkProfile, ...]:
        """The links between the client and a server by the service address."""
        return (*self._only_link, self.client_director.profile, self.director_server.profile)

    def picture(self) -> str:
        """The topology as text."""
        return picture(
            self.plan,
            client_director=self.client_director.profile,
            direct=self.direct.profile,
            director_server=self.director_server.profile,
            client_link=self.client_link.profile if self.client_link else None,
        )
