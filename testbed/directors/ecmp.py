"""A router with equal-cost paths, as in the paper's Fig. 12: every server has the service address (anycast).

The router keeps nothing. When a server leaves or returns, flows come to others by what the hash then says. Where the
service address is of the client's own network, the router answers for it, and the servers do not. What servers answer
comes back through the router, or goes past it where the topology has a way, as large sites do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from testbed.base.families import BOTH, Family, family_of, whole_length
from testbed.base.needs import Need
from testbed.directors import answering
from testbed.directors.base import Director
from testbed.net import arp, direct_return, routing
from testbed.net.netns import Node
from testbed.network import Network
from topologies.layout import Layout, ServerPlace


class Ecmp(Director):
    """A router with equal-cost paths: it spreads flows by a hash over their 5-tuple, and keeps no state."""

    needs = frozenset({routing.MULTIPATH, *routing.HASH})
    families: ClassVar[frozenset[Family]] = BOTH
    ipv6_needs: ClassVar[frozenset[Need]] = routing.HASH_IPV6
    service_path: ClassVar[str] = "anycast address"
    role: ClassVar[Literal["director", "router"]] = "router"
    by_order: ClassVar[bool] = True
    drawn_as: ClassVar[str] = "ECMP, layer 4"
    # net.ipv4.fib_multipath_hash_seed has 32 bits.
    largest_seed: ClassVar[tuple[int, str]] = ((1 << 32) - 1, "the router's hash over its nexthops")

    form: Literal["routed", "dsr"] = Field(
        default="routed",
        description="Whether what servers answer comes back through the router, or goes past it (direct server "
        "return).",
    )

    @property
    def answers_past(self) -> bool:
        """Whether servers answer past it, where there is a way."""
        return self.form == "dsr"

    def features(self) -> frozenset[Need]:
        """Its own, and those of its form."""
        own = super().features()
        return own | direct_return.NEEDS if self.answers_past else own

    def carries_answers(self) -> bool:
        """Where they do not go past it."""
        return not self.answers_past

    def socket_address(self, layout: Layout, _server: ServerPlace) -> str:
        """The service address itself."""
        return layout.service

    def server_interfaces(self, server: ServerPlace) -> tuple[str, ...]:
        """Its link to the router, and that by which it answers."""
        return answering.interfaces(server, past=self.answers_past)

    def prepare(self, network: Network, layout: Layout) -> None:
        """Its answers for the service address, where the client asks for that."""
        if layout.service_is_on_link:
            arp.answer_for_others(network[layout.director], f"{layout.director}-eth0", layout.service)
        if self.answers_past:
            answering.prepare(network, layout, past=True)

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """The service address, and the way of what it sends from there if it answers past the router."""
        if self.answers_past:
            answering.prepare_server(network, layout, server, past=True)
            return
        if layout.service_is_on_link:
            arp.keep_to_own_links(network[server.name])
        routing.add_address(network[server.name], server.interface, layout.service, whole_length(layout.service))

    def entries(self, _director: Node) -> int | None:
        """None: the hash is all there is."""
        return 0

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """The hash and the nexthops."""
        router = network[layout.director]
        addresses = [server.address for server in layout.servers]
        return {
            "router": routing.hash_by_flow(router, seed, family_of(layout.service)),
            "nexthops": routing.nexthops(router, layout.service, addresses),
        }

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """The nexthops are replaced, in this order."""
        routing.nexthops(network[layout.director], layout.service, [server.address for server in servers])

    def forget(self, network: Network, layout: Layout) -> None:
        """It knows nothing of connections."""
