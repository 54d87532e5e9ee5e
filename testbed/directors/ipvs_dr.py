"""LVS with direct routing (DR): packets go on to a server as they are, and the server answers past the director.

Each server has the service address on its loopback; by which link its answers leave, the topology says (`answers`).
Where it has none past the director, they come back through it.
"""

from __future__ import annotations

from typing import ClassVar

from testbed.base.families import BOTH, Family, family_of
from testbed.base.needs import Need
from testbed.directors import answering
from testbed.directors.lvs import Lvs
from testbed.net import direct_return, ipvs
from testbed.net.ipvs import Forwarding
from testbed.network import Network
from testbed.wire import largest_segment_bytes
from topologies.layout import Layout, ServerPlace


class IpvsDr(Lvs):
    """LVS with direct routing: the kernel's IPVS passes packets on as they are; servers answer past it."""

    needs = Lvs.needs | direct_return.NEEDS
    families: ClassVar[frozenset[Family]] = BOTH

    @property
    def forwarding(self) -> Forwarding:
        """To the server's link-layer address."""
        return ipvs.DIRECT_ROUTING

    def features(self) -> frozenset[Need]:
        """Those of IPVS, and what servers need that answer past it."""
        return super().features() | direct_return.NEEDS

    def carries_answers(self) -> bool:
        """Not where the topology has a way past it."""
        return False

    def socket_address(self, layout: Layout, _server: ServerPlace) -> str:
        """The service address itself."""
        return layout.service

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director, and a client that takes answers at any of its interfaces."""
        super().prepare(network, layout)
        answering.prepare(network, layout, past=True)

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """The service address, and the way of what it sends from there."""
        interface, segment_bytes = self.service_interface(server), self.largest_segment(server)
        answering.prepare_server(network, layout, server, past=True, interface=interface, segment_bytes=segment_bytes)

    def service_interface(self, _server: ServerPlace) -> str:
        """Which of a server's interfaces has the service address: its loopback."""
        return "lo"

    def server_interfaces(self, server: ServerPlace) -> tuple[str, ...]:
        """Its link to the director, and that by which it answers."""
        return answering.interfaces(server, past=True)

    def largest_segment(self, server: ServerPlace) -> int:
        """The TCP segment in bytes that fits on the way to a server."""
        return largest_segment_bytes(family_of(server.address))
