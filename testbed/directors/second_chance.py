"""A director without any state, whose servers give each other's connections a second chance.

When the pool changes, the director's hash gives some flows to another server, which has no socket for them. That one
passes them on to whoever had them before, so that a planned change breaks no connection: without any state, and without
MPTCP. A server that is dead gives nobody a chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from testbed.base.families import family_of
from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.directors.nft import MOST_BUCKETS, Nft
from testbed.net import second_chance, stateless_dsr
from testbed.net.netns import Node
from testbed.net.second_chance import Neighbour
from testbed.net.stateless_dsr import Further
from testbed.network import Network
from testbed.record.director import Passed
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace


class SecondChance(Nft):
    """nftables without any state, and servers that pass on to the previous one what they have no socket for, once."""

    needs = Nft.needs | {second_chance.NEED}
    ipv6_needs: ClassVar[frozenset[Need]] = Nft.ipv6_needs | {second_chance.OVER_IPV6}

    form: Literal["dsr"] = Field(default="dsr", description="Servers answer past it: only so can any of them answer.")
    buckets: Annotated[int, Field(ge=1, le=MOST_BUCKETS)] = Field(
        default=1024,
        description="How many buckets the hash has, each of which belongs to a server (rendezvous hashing) and "
        "remembers to which it belonged before.",
    )

    def features(self) -> frozenset[Need]:
        """Those of the servers as well."""
        return super().features() | {second_chance.NEED}

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """Servers must reach each other past the director, and there are only so many marks."""
        yield from super().check(topology)
        if not all(server.own_way for server in topology.layout().servers):
            yield Complaint(
                "part",
                "its servers pass packets on past the director, and this topology has no such way",
                hint='[topology] part = "load-balancer" has one',
            )
        if topology.servers > second_chance.MOST_SERVERS:
            yield Complaint("part", f"it can tell {second_chance.MOST_SERVERS} servers apart, not {topology.servers}")

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """What it passes on, as well."""
        super().prepare_server(network, layout, server)
        assert server.own_way is not None
        others = [
            Neighbour(number, each.own_way.address, server.own_way.interface)
            for number, each in enumerate(layout.servers, start=1)
            if each.name != server.name and each.own_way
        ]
        second_chance.pass_on(network[server.name], layout.service, layout.port, others, network.log)

    def passed_on(self, server: Node, layout: Layout) -> Passed:
        """By a counter in the server's rules."""
        return Passed.model_validate(asdict(second_chance.passed(server, family_of(layout.service))))

    def forget(self, network: Network, layout: Layout) -> None:
        """Who had which bucket before: it begins again, with all servers."""
        director = network[layout.director]
        seed = self._seed(director, layout)
        stateless_dsr.clear(director, network.log)
        self._spread(network, layout, layout.servers, seed)

    def _further(self, director: Node, layout: Layout, held: Mapping[int, str]) -> Further:
        numbers = {server.address: number for number, server in enumerate(layout.servers, start=1)}
        return second_chance.marking(self._previous(director, numbers, held), len(numbers), family_of(layout.service))

    @staticmethod
    def _previous(director: Node, numbers: Mapping[str, int], held: Mapping[int, str]) -> dict[int, int]:
        """The number of each bucket's previous owner, if it has had one; the rules are the only memory."""
        before = second_chance.previous_owners(stateless_dsr.buckets(director, second_chance.PREVIOUS))
        for bucket, address in stateless_dsr.buckets(director).items():
            if address != held[bucket]:
                before[bucket] = numbers[address]
        return before
