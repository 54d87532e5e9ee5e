"""LVS with address translation (NAT), as in the paper's Fig. 5: the director has the service address for itself.

What a server sends back to the client's first link leads through it (the servers' default route).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from testbed.base.families import BOTH, Family, family_of
from testbed.base.parts import Complaint
from testbed.directors.lvs import Lvs
from testbed.net import ipv6, ipvs, sysctl
from testbed.net.ipvs import Forwarding
from testbed.network import Network
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

_REFUSE_UNKNOWN = {"net.ipv4.vs.nat_icmp_send": 1}


class IpvsNat(Lvs):
    """LVS with address translation: the kernel's IPVS spreads connections, both ways of which pass it."""

    families: ClassVar[frozenset[Family]] = BOTH
    checks_after_restart: ClassVar[bool] = False

    @property
    def forwarding(self) -> Forwarding:
        """The service address becomes the server's, and in its answers the other way round."""
        return ipvs.NAT

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """As any IPVS; where it refuses what it does not know, that is what servers answer to its own health check.

        (ip_vs_core.c, `ip_vs_out`: without an entry, what comes from a server's port is dropped, for itself as well.)
        """
        yield from super().check(topology)
        if self.health_check and topology.layout().several:
            what = "of several directors each drops what it has no entry of, servers' answers to its own checks too"
            yield Complaint("health_check", what, 'one director, or part = "ipvs-dr"')

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """As any IPVS; one of several directors sends nothing to the client that it has no connection for.

        Otherwise what a server still sends in a connection that a director has forgotten would pass it as it is, from
        the server's own address (ip_vs_core.c, `ip_vs_out_hook`); so the server is told by ICMP.
        """
        found = super().serve(network, layout, seed)
        if layout.several:
            found["sysctl"] = sysctl.put(network[layout.director], _REFUSE_UNKNOWN)
        return found

    def restart(self, network: Network, layout: Layout) -> None:
        """Its table is empty; it forwards nothing until it knows its servers again.

        For what they still send in old connections the same holds as of several directors.
        """
        director, forwards = network[layout.director], ipv6.FORWARDS[family_of(layout.service)]
        sysctl.put(director, {**_REFUSE_UNKNOWN, forwards: 0})
        self.forget(network, layout)
        self.set_pool(network, layout, layout.servers)
        sysctl.put(director, {forwards: 1})

    def socket_address(self, _layout: Layout, server: ServerPlace) -> str:
        """The server's own: the service address is translated."""
        return server.address
