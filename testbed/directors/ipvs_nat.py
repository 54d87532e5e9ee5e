"""LVS with address translation (NAT), as in the paper's Fig. 5: the director has the service address for itself.

What a server sends back to the client's first link leads through it (the servers' default route).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.directors.base import Director
from testbed.net import ipvs, routing
from testbed.network import Network
from topologies.layout import Layout, ServerPlace


class IpvsNat(Director):
    """LVS with address translation: the kernel's IPVS spreads connections in turn (scheduler `rr`)."""

    needs = frozenset({ipvs.NEED})

    def socket_address(self, _layout: Layout, server: ServerPlace) -> str:
        """The server's own: the service address is translated."""
        return server.address

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director's link to the client."""
        routing.add_address(network[layout.director], f"{layout.director}-eth0", layout.service, layout.prefix)

    def serve(self, network: Network, layout: Layout, _seed: int) -> dict[str, Any]:
        """The virtual service with all servers."""
        addresses = [server.address for server in layout.servers]
        return {"ipvs": ipvs.serve(network[layout.director], layout.service, layout.port, addresses)}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """Real servers are removed or added; IPVS forgets the connections of those that it does not know."""
        wanted = [server.address for server in servers]
        ipvs.set_servers(network[layout.director], layout.service, layout.port, wanted)
