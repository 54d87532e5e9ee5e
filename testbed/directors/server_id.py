"""A director without any state that reads in each packet whose connection it is of: servers say so in TCP's timestamps.

The paper's [29] (V. Olteanu and C. Raiciu). A server writes its number into the low bits of each timestamp that it
sends, and the client's echo brings it back, whatever has become of the pool and of the director. What echoes nothing is
spread by a hash: SYNs, and what has no timestamps.

A SYN that joins (MP_JOIN) echoes nothing either. It has the connection's token, which its server would have to choose
so that it says the number as well; that takes a change of the servers' kernels. So joins come by a port of the server's
own here, which the director leads to it (`signalled-port`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.directors.signalled_port import SignalledPort
from testbed.net import echoed_number, timestamps
from testbed.net.echoed_number import Parser
from testbed.net.netns import Node
from testbed.net.stateless_dsr import Further
from testbed.network import WORK, Network
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace


class ServerId(SignalledPort):
    """nftables without any state, and servers that put their number into TCP's timestamps, which clients echo."""

    needs = SignalledPort.needs | timestamps.NEEDS

    first_port: Annotated[int, Field(ge=1024, le=65_535)] = Field(
        default=8001,
        description="The port of the first server, where joins come to it; the others have the next ones.",
    )
    bits: Annotated[int, Field(ge=1, le=8)] = Field(
        default=3,
        description="How many low bits of the timestamps are the server's number, from 1 (0: no server). With 3 of "
        "them a timestamp is wrong by 7 ms at most.",
    )
    parser: Parser = Field(
        default="options",
        description="How it finds the echo: it looks at one option after the other (`options`), or where Linux writes "
        "it, behind two NOPs at the beginning (`fixed`).",
    )

    def features(self) -> frozenset[Need]:
        """What alters timestamps, as well."""
        return super().features() | timestamps.NEEDS

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """Every server has a number."""
        yield from super().check(topology)
        if topology.servers >= 1 << self.bits:
            most = (1 << self.bits) - 1
            yield Complaint("bits", f"{self.bits} bits have numbers for {most} servers, not for {topology.servers}")

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """Its number in what it sends, as well."""
        super().prepare_server(network, layout, server)
        number, node = self._numbers(layout)[server.name], network[server.name]
        timestamps.put_server_id(node, server.interface, number, bits=self.bits, work=WORK, log=network.log)

    @staticmethod
    def _numbers(layout: Layout) -> dict[str, int]:
        return {server.name: number for number, server in enumerate(layout.servers, start=1)}

    def _further(self, director: Node, layout: Layout, held: Mapping[int, str]) -> Further:
        by_port, numbers = super()._further(director, layout, held), self._numbers(layout)
        addresses = {numbers[server.name]: server.address for server in layout.servers}
        by_echo = echoed_number.leading(director, layout.service, layout.port, addresses, self.bits, self.parser)
        return replace(by_port, first=(*by_port.first, *by_echo.first), maps={**by_port.maps, **by_echo.maps})
