"""Several directors, each by itself: the ways to them and back, and the router in front of them."""

from __future__ import annotations

from typing import Any

from testbed.base.families import family_of
from testbed.directors.base import Director
from testbed.net import routing
from testbed.network import Network
from topologies.addresses import PREFIX
from topologies.layout import Layout

_TABLES = 200
"""The number before those of the tables by which a server answers through a director."""

_ALL_BITS = (1 << 32) - 1


def connect(network: Network, layout: Layout) -> None:
    """The directors' ways to the client, and each server's addresses and ways behind each of them.

    What one director has translated must come back through it: a server answers from the address at which that one
    knows it, through that one.
    """
    for number, director in enumerate(layout.several, start=1):
        routing.default_via(network[director.name], director.gateway)
        for place in layout.servers:
            server, address = network[place.name], director.servers[place.name]
            if address != place.address:
                routing.add_address(server, place.interface, address, PREFIX[family_of(address)])
            routing.through(server, address, director.inside, _TABLES + number)


def serve(director: Director, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
    """Begin to spread the service address; what reads back, by the node's name if there are several.

    The router's hash has all bits of the seed turned: directors that hash the same flows must not choose alike.
    """
    if not layout.several:
        return director.serve(network, layout, seed)
    found: dict[str, Any] = {name: director.serve(network, layout.of(name), seed) for name in layout.directors}
    router = network[layout.front]
    hashing = routing.hash_by_flow(router, seed ^ _ALL_BITS, family_of(layout.service))
    addresses = [each.address for each in layout.several]
    return {
        **found,
        layout.front: {"router": hashing, "nexthops": routing.nexthops(router, layout.service, addresses)},
    }
