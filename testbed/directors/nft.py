"""A director without any state, by nftables: a hash over each packet's flow says which server it goes to.

What a site has whose balancer must not remember anything. A change of the pool moves the flows that the hash then
gives to another server, and that server answers them with a RST.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar

from pydantic import Field

from testbed.directors.base import Director
from testbed.net import nftables, routing, stateless_nat
from testbed.net.buckets import assign
from testbed.net.netns import Node
from testbed.network import Network
from testbed.record.director import Balanced
from topologies.layout import Layout, ServerPlace

MOST_BUCKETS = 65_536


class Nft(Director):
    """nftables with address translation and no state: a hash spreads packets over the servers, flow by flow."""

    needs = frozenset({stateless_nat.NEED, nftables.PROGRAM})
    # nft takes 32 bits.
    largest_seed: ClassVar[tuple[int, str]] = ((1 << 32) - 1, "the director's hash")

    buckets: Annotated[int, Field(ge=0, le=MOST_BUCKETS)] = Field(
        default=0,
        description="How many buckets the hash has, each of which belongs to a server (rendezvous hashing); 0: as many "
        "equal ranges as there are servers in the pool, in their order (hash-threshold, RFC 2992).",
    )

    def socket_address(self, _layout: Layout, server: ServerPlace) -> str:
        """The server's own: the service address is translated."""
        return server.address

    def counted(self, director: Node) -> Balanced:
        """Both directions, by counters in its rules."""
        found = stateless_nat.counted(director)
        return Balanced.model_validate({way: asdict(each) for way, each in found.items()})

    def entries(self, _director: Node) -> int | None:
        """None: the rules are all there is."""
        return 0

    def shares(self, director: Node, layout: Layout) -> dict[str, int]:
        """As the map in its rules has them."""
        found = list(stateless_nat.buckets(director).values())
        return {server.name: found.count(server.address) for server in layout.servers}

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director's link to the client."""
        routing.add_address(network[layout.director], f"{layout.director}-eth0", layout.service, layout.prefix)

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """The rules, with all servers."""
        return {"nft": self._spread(network, layout, layout.servers, seed)}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """The rules are replaced, in one step."""
        self._spread(network, layout, servers, stateless_nat.seed_of(network[layout.director]))

    def forget(self, network: Network, layout: Layout) -> None:
        """It knows nothing of connections."""

    def _spread(self, network: Network, layout: Layout, pool: Sequence[ServerPlace], seed: int) -> dict[str, Any]:
        return stateless_nat.put(
            network[layout.director],
            layout.service,
            layout.port,
            assign(self.buckets, [server.address for server in pool]),
            [server.address for server in layout.servers],
            seed=seed,
            log=network.log,
        )
