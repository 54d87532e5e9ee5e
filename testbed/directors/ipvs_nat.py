"""LVS with address translation (NAT), as in the paper's Fig. 5: the director has the service address for itself.

What a server sends back to the client's first link leads through it (the servers' default route).
"""

from __future__ import annotations

from testbed.directors.lvs import Lvs
from testbed.net import ipvs
from testbed.net.ipvs import Forwarding
from topologies.layout import Layout, ServerPlace


class IpvsNat(Lvs):
    """LVS with address translation: the kernel's IPVS spreads connections, both ways of which pass it."""

    @property
    def forwarding(self) -> Forwarding:
        """The service address becomes the server's, and in its answers the other way round."""
        return ipvs.NAT

    def socket_address(self, _layout: Layout, server: ServerPlace) -> str:
        """The server's own: the service address is translated."""
        return server.address
