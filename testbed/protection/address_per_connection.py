"""The paper's section VI at its end: each connection is told an address of its own, and joins elsewhere are dropped.

A server has a whole network of IPv6. Its path manager in user space tells each connection the address that a secret
makes of its token, and a program in the kernel drops every SYN that does not join the connection of its address. It
keeps nothing of any connection: who floods has to guess 64 bits for each token.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from pydantic import Field

from testbed.base.parts import Complaint
from testbed.base.quantities import Duration
from testbed.net import any_address, join_check
from testbed.net.netns import Node
from testbed.network import Network
from testbed.path_manager.options import OwnAddresses
from testbed.protection.base import Protection
from topologies import addresses
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

_WORK = Path("/tmp/testbed")
_FIRST = 200  # the number of the network before the first server's; no set-up's own comes near it


class AddressPerConnection(Protection):
    """Each connection is told an address of its own in the server's /64; a BPF program drops joins to another one."""

    needs = join_check.NEEDS | {any_address.NEED}

    rotate_s: Duration = Field(
        default=0.0,
        alias="rotate",
        description="How often a server takes another secret; the one before is good until the next time. 0 s: never.",
    )

    checked: bool = Field(
        default=True, description="Whether joins to wrong addresses are dropped; to compare with, they need not be."
    )

    @property
    def admits_everyone(self) -> bool:
        """No connection is opened there."""
        return not self.checked

    @property
    def in_user_space(self) -> bool:
        """The addresses are told by the path manager in user space."""
        return True

    def protect(self, network: Network, layout: Layout, server: ServerPlace) -> dict[str, Any]:
        """Give the server its network; the path manager brings the check."""
        prefix, log = self.own_network(layout, server), network.log
        way = (server.own_way.interface, server.own_way.network) if server.own_way else None
        found = any_address.own(network[server.name], prefix, way, log)
        neighbour = _neighbour(network, layout, server)
        return {**found, "neighbour": any_address.lead_to(neighbour, prefix, server.unique, log)}

    def own_addresses(self, layout: Layout, server: ServerPlace) -> OwnAddresses:
        """The server's network, and where its check is."""
        number = layout.servers.index(server) + 1
        return OwnAddresses(
            prefix=addresses.network("ipv6", _FIRST + number),
            unique=server.unique,
            interface=server.own_way.interface if server.own_way else server.interface,
            rotate_s=self.rotate_s,
            work=_WORK / f"check-{server.name}",
            checked=self.checked,
        )

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """A connection has 2 ** 64 addresses in IPv6 alone."""
        if topology.families.unique == "ipv4":
            what = "each connection is told an address of IPv6, and unique addresses here are of IPv4"
            yield Complaint("part", what, 'topology.family = "ipv6"')


def _neighbour(network: Network, layout: Layout, server: ServerPlace) -> Node:
    """Who has to know the way to the server's network: the client on its link, or the router before it."""
    near = ip_network(server.own_way.network) if server.own_way else None
    if near and any(ip_address(each) in near for each in layout.client_addresses):
        return network[layout.client]
    return network[layout.director]
