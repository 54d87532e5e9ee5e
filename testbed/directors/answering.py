"""What directors have in common that leave the service address to their servers (direct server return).

`past`: servers answer past the director where the topology has such a way, else their answers come back through it.
"""

from __future__ import annotations

from testbed.base.families import family_of
from testbed.net import direct_return
from testbed.network import Network
from testbed.wire import largest_segment_bytes
from topologies.layout import Layout, ServerPlace, WayPast


def prepare(network: Network, layout: Layout, *, past: bool) -> None:
    """A client that takes answers at any of its interfaces, and a director that forwards those that come back to it."""
    direct_return.accept(network[layout.client])
    if not past or not all(server.past for server in layout.servers):
        direct_return.forward(network[layout.director])


def prepare_server(
    network: Network, layout: Layout, server: ServerPlace, *, past: bool, interface: str = "lo", segment_bytes: int = 0
) -> None:
    """The service address at this interface, and the way of what the server sends from there.

    It tells its peers to send no TCP segment above `segment_bytes` (0: what a packet has room for).
    """
    node, back = network[server.name], WayPast(server.interface, server.gateway)
    direct_return.receive(node, layout.service, interface)
    way = server.past if past and server.past else back
    largest = segment_bytes or largest_segment_bytes(family_of(layout.service))
    direct_return.answer(node, layout.service, way.interface, way.gateway, largest)


def interfaces(server: ServerPlace, *, past: bool) -> tuple[str, ...]:
    """A server's link to the director, and that by which it answers."""
    return (server.interface, server.past.interface) if past and server.past else (server.interface,)
