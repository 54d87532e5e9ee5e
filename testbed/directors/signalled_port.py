"""A director with a static map of ports: each server announces the service address with a port of its own for joins.

RFC 8684's other way (section 3.4.1), and what mptcp.dev tells operators: one address in all, joins reach the right
server whatever happens to the pool, and all bytes stay at the director. Initial subflows are spread by a hash, without
any state. At those ports the kernel's path manager listens, for joins only: whoever connects there is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from testbed.base.parts import Complaint
from testbed.directors.nft import Nft
from testbed.net import port_map
from testbed.net.netns import Node
from testbed.net.stateless_dsr import Further
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

_LARGEST_PORT = 65_535


class SignalledPort(Nft):
    """nftables without any state, and a static map of ports by which joins come to the server that announced them."""

    carries_joins: ClassVar[bool] = True

    form: Literal["dsr"] = Field(
        default="dsr", description="Servers have the service address themselves: they listen on it at their ports."
    )
    first_port: Annotated[int, Field(ge=1024, le=_LARGEST_PORT)] = Field(
        default=20_001, description="The port of the first server; the others have the next ones."
    )

    @property
    def answers_past(self) -> bool:
        """Never: what joins carry stays at the director."""
        return False

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """Every server has a port."""
        yield from super().check(topology)
        if self.first_port + topology.servers - 1 > _LARGEST_PORT:
            yield Complaint("first_port", f"there are not {topology.servers} ports from {self.first_port} on")

    def announced(self, layout: Layout, server: ServerPlace) -> tuple[str, int]:
        """The service address, and the server's port."""
        return layout.service, self._ports(layout)[server.name]

    def _ports(self, layout: Layout) -> dict[str, int]:
        return {server.name: self.first_port + number for number, server in enumerate(layout.servers)}

    def _further(self, director: Node, layout: Layout, _held: Mapping[int, str]) -> Further:
        ports = self._ports(layout)
        by_port = {ports[server.name]: server.address for server in layout.servers}
        return port_map.leading(director, layout.service, by_port)
