"""LVS with tunnels (TUN): packets go on to a server inside others, over any network, and the server answers past it.

What a site has whose servers are not on the director's link: IPIP as LVS always had it, GRE, or GUE, which a network
spreads over its paths as any UDP. As with direct routing each server has the service address itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from testbed.base.families import Family, family_of
from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.directors.ipvs_dr import IpvsDr
from testbed.net import ipvs, tunnels
from testbed.net.ipvs import Forwarding
from testbed.net.tunnels import Tunnel
from testbed.network import Network
from testbed.wire import MTU_BYTES
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace


class IpvsTun(IpvsDr):
    """LVS with tunnels: the kernel's IPVS sends packets on inside others; servers answer past it."""

    needs = IpvsDr.needs | {kind.need for kind in tunnels.OVER_IPV4.values()}
    ipv6_needs: ClassVar[frozenset[Need]] = IpvsDr.ipv6_needs | {kind.need for kind in tunnels.OVER_IPV6.values()}

    tunnel: Literal["ipip", "gre", "gue"] = Field(
        default="ipip",
        description="What a packet is put into: IP (20 bytes more), GRE (24), GUE over UDP (32); each "
        "20 more over IPv6.",
    )
    tunnel_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description=f"The servers' UDP port for `gue`: {tunnels.GUE_PORT} if not said."
    )
    clamp_mss: bool = Field(
        default=True,
        description="Whether servers tell clients to send no segment that is too large for the tunnel. Without it the "
        "link to the servers must have room for more than 1500 bytes (`mtu`).",
    )

    def kind(self, family: Family) -> Tunnel:
        """The kind of tunnel, over that family."""
        return tunnels.KINDS[family][self.tunnel]

    @property
    def forwarding(self) -> Forwarding:
        """Through the tunnel."""
        kind = self.kind("ipv4")  # of either family the same to IPVS
        port = (self.tunnel_port or tunnels.GUE_PORT) if kind.over_udp else 0
        return Forwarding(ipvs.TUNNEL, kind.ipvs, port)

    def features(self) -> frozenset[Need]:
        """Those of direct return, and the tunnel."""
        return super().features() | {self.kind("ipv4").need}

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """A full packet of the client's must fit into the tunnel, or the client be told."""
        yield from super().check(topology)
        kind = self.kind(topology.families.service)
        if self.tunnel_port is not None and not kind.over_udp:
            yield Complaint("tunnel_port", f"{self.tunnel!r} has no port", hint="it is for 'gue'")
        room = min(server.mtu_bytes for server in topology.layout().servers)
        wanted = MTU_BYTES + kind.overhead_bytes
        if not self.clamp_mss and room < wanted:
            what = f"a full packet has {wanted} bytes in the tunnel, and the link to the servers takes {room}"
            yield Complaint("clamp_mss", what, hint=f'clamp_mss = true, or mtu = "{wanted} B" for that link')

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """The end of the tunnel, with the service address."""
        family, port = family_of(layout.service), self.forwarding.tunnel_port
        tunnels.receive(network[server.name], self.kind(family), port, family, network.log)
        super().prepare_server(network, layout, server)

    def service_interface(self, server: ServerPlace) -> str:
        """Where the tunnel ends."""
        return tunnels.interface(server.name)

    def server_interfaces(self, server: ServerPlace) -> tuple[str, ...]:
        """What comes in the tunnel is seen where it comes out, and what it answers where that leaves."""
        return (tunnels.interface(server.name), (server.past or server).interface)

    def largest_segment(self, server: ServerPlace) -> int:
        """What the tunnel leaves of the link's MTU, if servers are to tell."""
        overhead_bytes = self.kind(family_of(server.address)).overhead_bytes
        room = server.mtu_bytes - overhead_bytes - MTU_BYTES if self.clamp_mss else 0
        return super().largest_segment(server) + min(0, room)
