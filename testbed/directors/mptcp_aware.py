"""A director that knows MPTCP's connections, and leads each subflow to the server that has the others.

The paper's [26], in its smallest form: a program on the director's node keeps a table of flows and one of tokens
(`testbed.tools.mptcp_balancer`). Servers need no change and announce nothing, and the tables are all that holds it
together: a director that has lost them, or another one, knows neither old flows nor whose subflow a SYN is to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.base.needs import kernel
from testbed.directors import answering
from testbed.directors.base import Director
from testbed.net import direct_return, nftables, routing, stateless_dsr
from testbed.net.netns import Node, inside, link_address
from testbed.net.nftables import Table
from testbed.network import WORK, Network
from testbed.tools import mptcp_balancer
from testbed.tools.mptcp_balancer import Configuration
from topologies.layout import Layout, ServerPlace

PACKETS = kernel("packet sockets", "CONFIG_PACKET", purpose="a program that passes packets on")


class MptcpAware(Director):
    """A program with a table of flows, and one of MPTCP's tokens, which it learns from each connection's keys."""

    needs = frozenset({PACKETS, nftables.PROGRAM, stateless_dsr.NEED, *direct_return.NEEDS})

    def socket_address(self, layout: Layout, _server: ServerPlace) -> str:
        """The service address, which servers have themselves."""
        return layout.service

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director's link to the client, and the way back through it."""
        routing.add_address(network[layout.director], f"{layout.director}-eth0", layout.service, layout.prefix)
        answering.prepare(network, layout, past=False)

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """The service address, and the way of what it sends from there."""
        answering.prepare_server(network, layout, server, past=False)

    def entries(self, director: Node) -> int | None:
        """Flows and tokens."""
        known = mptcp_balancer.tell(WORK, director.name, None)
        return int(known["flows"]) + int(known["tokens"])

    def serve(self, network: Network, layout: Layout, _seed: int) -> dict[str, Any]:
        """The program, which gets what comes to the service; the kernel does not."""
        director, interface = network[layout.director], f"{layout.director}-eth0"
        mine = f"ip daddr {layout.service} tcp dport {layout.port} drop"
        hook = f'type filter hook ingress device "{interface}" priority filter; policy accept;'
        rules = nftables.put(director, Table("netdev", "balancer", chains={"ingress": (hook, mine)}), network.log)
        self._start(network, layout)
        return {"nft": rules, self.part: mptcp_balancer.tell(WORK, layout.director, None)}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """New flows come to these; the tables keep what they have."""
        mptcp_balancer.tell(WORK, layout.director, [each.name for each in servers])

    def drain(
        self, network: Network, layout: Layout, servers: Sequence[ServerPlace], drained: Sequence[ServerPlace]
    ) -> None:
        """Who leaves keeps its flows in any case."""
        self.set_pool(network, layout, servers)

    def forget(self, network: Network, layout: Layout) -> None:
        """The program starts anew, with empty tables."""
        network.programs.kill(self._name(layout))
        self._start(network, layout)

    def _start(self, network: Network, layout: Layout) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        director = network[layout.director]
        told = Configuration(
            interface=f"{layout.director}-eth0",
            address=layout.service,
            port=layout.port,
            ways={server.name: self._way(network, director, server) for server in layout.servers},
        )
        network.programs.start(self._name(layout), mptcp_balancer.running(director, told, WORK, network.log))

    @staticmethod
    def _way(network: Network, director: Node, server: ServerPlace) -> tuple[str, str]:
        interface = routing.interface_towards(director, server.address)
        with inside(director):
            source = link_address(interface)
        with inside(network[server.name]):
            target = link_address(server.interface)
        return interface, (target + source).replace(":", "")

    @staticmethod
    def _name(layout: Layout) -> str:
        return f"balancer on {layout.director}"
