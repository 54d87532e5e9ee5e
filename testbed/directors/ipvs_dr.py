"""LVS with direct routing (DR): packets go on to a server as they are, and the server answers past the director.

Each server has the service address on its loopback; by which link its answers leave, the topology says (`answers`).
Where it has none past the director, they come back through it.
"""

from __future__ import annotations

from typing import ClassVar

from testbed.base.families import BOTH, Family
from testbed.base.needs import Need
from testbed.directors.lvs import Lvs
from testbed.net import direct_return, ipvs
from testbed.net.ipvs import Forwarding
from testbed.network import Network
from topologies.layout import Layout, ServerPlace, WayPast


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
        direct_return.accept(network[layout.client])
        if not all(server.past for server in layout.servers):
            direct_return.forward(network[layout.director])

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """The service address, and the way of what it sends from there."""
        direct_return.receive(network[server.name], layout.service, self.service_interface(server))
        way = server.past or WayPast(server.interface, server.gateway)
        segment = self.largest_segment(server)
        direct_return.answer(network[server.name], layout.service, way.interface, way.gateway, segment)

    def service_interface(self, _server: ServerPlace) -> str:
        """Which of a server's interfaces has the service address: its loopback."""
        return "lo"

    def server_interfaces(self, server: ServerPlace) -> tuple[str, ...]:
        """Its link to the director, and that by which it answers."""
        return (server.interface, server.past.interface) if server.past else (server.interface,)

    def largest_segment(self, server: ServerPlace) -> int:
        """The TCP segment in bytes that fits on the way to a server."""
        return direct_return.largest_segment(server.address)
