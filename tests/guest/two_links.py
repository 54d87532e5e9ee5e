"""Inside a guest: two hosts with two links, whose connections get a second subflow over the second one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence

from mininet.topo import Topo
from mptcp_server_probe import socket_in

from testbed.net import sysctl
from testbed.net.netns import Node, inside
from testbed.network import running
from testbed.process import CommandLog, run
from topologies.links import LinkProfile


class TwoLinks(Topo):
    """`client` and `server`, with these links."""

    def build(self, links: Sequence[LinkProfile]) -> None:
        for name in ("client", "server"):
            self.addHost(name, ip=None)
        for profile in links:
            self.addLink("client", "server", profile=profile)


@contextlib.contextmanager
def two_hosts(
    links: Sequence[LinkProfile], sysctls: Mapping[str, Mapping[str, str | int]]
) -> Iterator[tuple[Node, Node]]:
    """The client and the server until the block ends, with the sysctls of each by its name."""
    with running(TwoLinks(links=links), lambda _a, _b: "packets", CommandLog()) as network:
        client, server = network["client"], network["server"]
        for link in range(2):
            for number, node in ((1, client), (2, server)):
                address = f"10.9.{link}.{number}/24"
                run(node.enter("ip", "address", "add", address, "dev", f"{node.name}-eth{link}"))
        for node in (client, server):
            if values := sysctls.get(node.name):
                sysctl.put(node, values)
        with inside(server):
            run(("ip", "mptcp", "endpoint", "add", "10.9.1.2", "signal"))
        with inside(client):
            run(("ip", "mptcp", "limits", "set", "subflows", "1", "add_addr_accepted", "1"))
        yield client, server


@contextlib.contextmanager
def connection(client: Node, server: Node) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection over the first link, the client's first, until the block ends."""
    with socket_in(server) as listener, contextlib.ExitStack() as stack:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", 80))
        listener.listen()
        ours = stack.enter_context(socket_in(client))
        ours.connect(("10.9.0.2", 80))
        yield ours, stack.enter_context(listener.accept()[0])
