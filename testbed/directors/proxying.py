"""What directors have in common that are proxies: they end each connection, and open another one to a server.

The paper's section II begins with them (its [6] and [8]): whatever a client speaks, the proxy must speak as well, and
all bytes pass it twice. A proxy that starts again has lost every connection, whatever it carried.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from pydantic import Field

from testbed.base.families import BOTH, Family
from testbed.base.needs import Need
from testbed.directors.base import Director
from testbed.net import routing, silence, sockets
from testbed.net.mptcp import NEEDS as MPTCP
from testbed.net.netns import Node
from testbed.network import WORK, Network
from testbed.process import Process
from testbed.tools.proxying import Mode, Proxied
from topologies.layout import Layout, ServerPlace


class Proxying(Director):
    """A program on the director's node that speaks with the client, and with a server."""

    families: ClassVar[frozenset[Family]] = BOTH
    program: ClassVar[Need]
    needs = MPTCP

    mode: Mode = Field(
        default="http",
        description="What it reads: requests and answers (`http`), or bytes, connection by connection (`tcp`).",
    )
    mptcp: bool = Field(
        default=True,
        description="Whether it speaks MPTCP, with clients that ask for it, and with the servers (`mptcpize run`); "
        "otherwise it speaks TCP with everybody.",
    )

    @abstractmethod
    def serving(self, network: Network, node: Node, service: Proxied) -> AbstractContextManager[Process]:
        """The program on its node, with all servers, until the block ends."""

    def features(self) -> frozenset[Need]:
        """The program, and MPTCP if it speaks it."""
        return frozenset({self.program, *(MPTCP if self.mptcp else ())})

    def socket_address(self, _layout: Layout, server: ServerPlace) -> str:
        """The server's own: it is the proxy that connects to it."""
        return server.address

    def entries(self, director: Node) -> int | None:
        """Connections with clients that are open; each is another one to a server, too."""
        return sockets.accepted(director)

    def prepare(self, network: Network, layout: Layout) -> None:
        """The service address on the director's link to the client."""
        routing.add_address(network[layout.director], f"{layout.director}-eth0", layout.service, layout.prefix)

    def serve(self, network: Network, layout: Layout, _seed: int) -> dict[str, Any]:
        """The program, with all servers."""
        self.start(network, layout)
        return {self.part: self.settings(network, layout)}

    @abstractmethod
    def settings(self, network: Network, layout: Layout) -> Mapping[str, Any]:
        """What reads back of a program that runs."""

    def start(self, network: Network, layout: Layout) -> None:
        """Start the program; returns once it listens. Raises as `testbed.tools.proxying.running`."""
        WORK.mkdir(parents=True, exist_ok=True)
        node = network[layout.director]
        network.programs.start(self.name_of(layout), self.serving(network, node, self.service(layout)))

    def restart(self, network: Network, layout: Layout) -> None:
        """The program is killed, and its kernel ends its connections; another one starts."""
        network.programs.kill(self.name_of(layout))
        self.start(network, layout)

    def forget(self, network: Network, layout: Layout) -> None:
        """As after a loss of power: the node's kernel knows no connection either."""
        network.programs.kill(self.name_of(layout))
        silence.destroy_sockets(network[layout.director], network.log)
        self.start(network, layout)

    def name_of(self, layout: Layout) -> str:
        """The name of its program among the network's."""
        return f"{self.part} on {layout.director}"

    def service(self, layout: Layout) -> Proxied:
        """What its program is told."""
        servers = {place.name: place.address for place in layout.servers}
        return Proxied(layout.service, layout.port, servers, self.mode, WORK)
