"""What a topology is asked: the base of every set-up in this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

from pydantic import Field

from testbed.base.families import ONLY_IPV4, Families, Family
from testbed.base.middlebox import Middlebox
from testbed.base.parts import Complaint, Part
from testbed.base.quantities import Servers
from testbed.base.registry import Registry
from testbed.base.traits import Bottleneck
from topologies.layout import Layout
from topologies.links import LinkProfile


class Topology(Part, ABC):
    """Nodes, links, addresses, and the paths between the client and the servers; it describes and runs nothing.

    `past_director` in its methods: connections can leave the service address for a server's own.
    """

    servers: Servers = Field(default=1, description="How many servers there are.")
    middlebox: Middlebox | None = Field(
        default=None,
        description="What sits between the client and everybody else, and alters TCP's timestamps, flow by flow: it "
        "adds an offset of the flow's own to those that come to the client (`offset`), and takes it off the client's "
        "echoes again (`offset-and-back`), or it puts the client's behind its other options (`timestamps-last`).",
    )

    @property
    def largest_seed(self) -> tuple[int, str] | None:
        """The largest seed that a point can have in it, and what bounds it; None: nothing does."""
        return None

    @property
    def families(self) -> Families:
        """The families of the service address and of the servers' unique addresses; IPv4, if not said."""
        return ONLY_IPV4

    @property
    def client_family(self) -> Family:
        """The family of the client's sockets: one of IPv6 speaks to an IPv4 service by a v4-mapped address."""
        return self.families.service

    @property
    def can_join(self) -> bool:
        """Whether a connection to the service address can have subflows to a unique one.

        A socket of IPv4 takes addresses of that family only (net/mptcp/pm.c, `mptcp_pm_addr_families_match`).
        """
        return self.client_family == "ipv6" or self.families.unique == "ipv4"

    @abstractmethod
    def layout(self) -> Layout:
        """What is built, and who is who in it."""

    @abstractmethod
    def bottlenecks(self, *, mptcp: bool) -> tuple[Bottleneck, ...]:
        """The links that can be full on the way to the client."""

    @abstractmethod
    def path_rate_bps(self, *, past_director: bool) -> int:
        """The rate in bit/s of the path that a bulk transfer takes."""

    def path_interfaces(self, *, past_director: bool) -> tuple[str, ...]:
        """Endings of the client's interfaces that the path by the director has, or that past it; any, if not said."""
        del past_director
        return ()

    def answers_past(self) -> str:
        """By what a server sends from the service address past the director, if that leaves it to the servers (direct
        server return), in words: `the direct path`. Empty: it has no such way, and sends it through the director.
        """
        return ""

    def wants_answers_past(self) -> bool:
        """Whether its table says that answers go past the director, which not every director leaves to its servers."""
        return False

    @abstractmethod
    def path_to_service(self) -> tuple[LinkProfile, ...]:
        """The links between the client and a server by the service address."""

    @abstractmethod
    def delivery_share(self) -> float:
        """The share of exchanges (a packet and its answer) that lose nothing on any of the links."""

    @abstractmethod
    def picture(self) -> str:
        """The topology as text."""

    def drawn(self, director: str) -> str:
        """`picture`, with what its director is, where it says that: `ECMP, layer 4`, or the name of the part."""
        del director
        return self.picture()

    def limit_note(self, *, mptcp: bool, past_director: bool) -> str:
        """What a limit that is worked out from `path_rate_bps` leaves out; an empty text if nothing."""
        del mptcp, past_director
        return ""

    def with_a_middle(self) -> Self:
        """The same with a node, not the client's own, that all packets to the client pass first.

        Losses of chosen packets are made there, and a middlebox is there. A topology that has such nodes anyway is its
        own.
        """
        return self

    def check(self) -> Iterator[Complaint]:
        """What is wrong with the table as a whole."""
        yield from ()


TOPOLOGIES = Registry(
    "topology",
    Topology,
    "topologies",
    "topologies",
    without=frozenset(
        {
            "addresses",
            "base",
            "directions",
            "families",
            "layout",
            "links",
            "load_balancer_picture",
            "load_balancer_plan",
            "routed_anycast_plan",
            "several_directors",
        }
    ),
)
