"""A director without any state, by nftables: a hash over each packet's flow says which server it goes to.

In two forms: addresses are translated packet by packet, both ways (`nat`); or packets go on as they are, and servers,
which have the service address themselves, answer past it (`dsr`, direct server return).

What a site has whose balancer must not remember anything. A change of the pool moves the flows that the hash then
gives to another server, and that server answers them with a RST.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from testbed.base.families import BOTH, Family, family_of
from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.directors import answering
from testbed.directors.base import Director
from testbed.net import direct_return, nftables, routing, stateless_dsr, stateless_nat
from testbed.net.buckets import assign, complaint
from testbed.net.netns import Node
from testbed.net.stateless_dsr import Further
from testbed.network import Network
from testbed.record.director import Balanced
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

MOST_BUCKETS = 65_536


class Nft(Director):
    """nftables without any state: a hash spreads packets over the servers, flow by flow."""

    needs = frozenset({stateless_nat.NEED, stateless_dsr.NEED, nftables.PROGRAM, *direct_return.NEEDS})
    families: ClassVar[frozenset[Family]] = BOTH
    ipv6_needs: ClassVar[frozenset[Need]] = frozenset({nftables.OVER_IPV6})
    # nft takes 32 bits.
    largest_seed: ClassVar[tuple[int, str]] = ((1 << 32) - 1, "the director's hash")

    form: Literal["nat", "dsr"] = Field(
        default="nat",
        description="Whether addresses are translated, and answers come back through the director; or servers have "
        "the service address themselves, and answer past it (direct server return).",
    )
    buckets: Annotated[int, Field(ge=0, le=MOST_BUCKETS)] = Field(
        default=0,
        description="How many buckets the hash has, each of which belongs to a server (rendezvous hashing); 0: as many "
        "equal ranges as there are servers in the pool, in their order (hash-threshold, RFC 2992).",
    )

    @property
    def is_direct(self) -> bool:
        """Whether servers have the service address themselves."""
        return self.form == "dsr"

    @property
    def answers_past(self) -> bool:
        """Whether servers answer past it, where there is a way."""
        return self.is_direct

    def features(self) -> frozenset[Need]:
        """Those of its form."""
        own = {stateless_dsr.NEED, *direct_return.NEEDS} if self.is_direct else {stateless_nat.NEED}
        return frozenset({nftables.PROGRAM, *own})

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """Each server can have a bucket."""
        yield from super().check(topology)
        if self.buckets and (what := complaint(self.buckets, topology.servers)):
            yield Complaint("buckets", what)

    def carries_answers(self) -> bool:
        """Where they do not go past it."""
        return not self.answers_past

    def socket_address(self, layout: Layout, server: ServerPlace) -> str:
        """The server's own where the service address is translated, else that."""
        return layout.service if self.is_direct else server.address

    def server_interfaces(self, server: ServerPlace) -> tuple[str, ...]:
        """Its link to the director, and that by which it answers."""
        return answering.interfaces(server, past=self.answers_past)

    def counted(self, director: Node, layout: Layout) -> Balanced:
        """Both directions, by counters in its rules."""
        counted = stateless_dsr.counted if self.is_direct else stateless_nat.counted
        found = counted(director, family_of(layout.service))
        return Balanced.model_validate({way: asdict(each) for way, each in found.items()})

    def entries(self, _director: Node) -> int | None:
        """None: the rules are all there is."""
        return 0

    def shares(self, director: Node, layout: Layout) -> dict[str, int]:
        """As the map in its rules has them."""
        family = family_of(layout.service)
        held = stateless_dsr.buckets(director) if self.is_direct else stateless_nat.buckets(director, family)
        found = list(held.values())
        return {server.name: found.count(server.address) for server in layout.servers}

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director's link to the client."""
        routing.add_address(network[layout.director], f"{layout.director}-eth0", layout.service, layout.prefix)
        if self.is_direct:
            answering.prepare(network, layout, past=self.answers_past)

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """Where it answers past the director, the service address, and the way of what it sends from there."""
        if self.is_direct:
            answering.prepare_server(network, layout, server, past=self.answers_past)

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """The rules, with all servers."""
        return {"nft": self._spread(network, layout, layout.servers, seed)}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """The rules are replaced, in one step."""
        self._spread(network, layout, servers, self._seed(network[layout.director], layout))

    def forget(self, network: Network, layout: Layout) -> None:
        """It knows nothing of connections."""

    def _seed(self, director: Node, layout: Layout) -> int:
        family = family_of(layout.service)
        return stateless_dsr.seed_of(director) if self.is_direct else stateless_nat.seed_of(director, family)

    def _spread(self, network: Network, layout: Layout, pool: Sequence[ServerPlace], seed: int) -> dict[str, Any]:
        director, log = network[layout.director], network.log
        held = assign(self.buckets, [server.address for server in pool])
        if not self.is_direct:
            everyone = [server.address for server in layout.servers]
            return stateless_nat.put(director, layout.service, layout.port, held, everyone, seed=seed, log=log)
        interface, further = f"{layout.director}-eth0", self._further(director, layout, held)
        return stateless_dsr.put(
            director, interface, layout.service, layout.port, held, seed=seed, further=further, log=log
        )

    def _further(self, director: Node, layout: Layout, held: Mapping[int, str]) -> Further:
        """What else its rules have, when buckets are `held` by these addresses."""
        del director, layout, held
        return Further()
