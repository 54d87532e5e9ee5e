"""A router with a resilient group of nexthops: each flow keeps to its server as long as its bucket of the hash is busy.

What switches offer against the RSTs of plain equal-cost paths. When a server leaves, its buckets alone move. One that
returns gets a bucket when that has been idle for `idle_timer`, and whatever it lacks when the group has been unbalanced
for `unbalanced_timer`: of long downloads that keep every bucket busy it gets none before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from testbed.base.families import family_of
from testbed.base.needs import program
from testbed.base.parts import Complaint
from testbed.base.quantities import WholeSeconds
from testbed.directors.ecmp import Ecmp
from testbed.net import resilient_nexthops, routing
from testbed.net.buckets import complaint
from testbed.net.netns import Node
from testbed.net.resilient_nexthops import Settings
from testbed.network import Network
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

_MOST_BUCKETS = 65_535


class Resilient(Ecmp):
    """A router with a resilient group of nexthops: a bucket of its hash changes hands when it is idle, or overdue."""

    drawn_as: ClassVar[str] = "resilient ECMP"
    needs = frozenset(
        {
            resilient_nexthops.NEED,
            program("ip", package="iproute2", purpose="resilient groups of nexthops"),
            *routing.HASH,
        }
    )
    by_order: ClassVar[bool] = False

    buckets: Annotated[int, Field(ge=1, le=_MOST_BUCKETS)] = Field(
        default=128, description="How many buckets the hash has; a multiple of the number of servers spreads evenly."
    )
    idle_timer_s: WholeSeconds = Field(
        default=120.0,
        alias="idle_timer",
        description="A bucket without a packet for so long may go to another server; whole seconds, 120 s is the "
        "kernel's own.",
    )
    unbalanced_timer_s: WholeSeconds = Field(
        default=0.0,
        alias="unbalanced_timer",
        description="When servers have had too many or too few buckets for so long, busy ones move as well; whole "
        "seconds, 0 s: never.",
    )

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """Each server can have a bucket."""
        yield from super().check(topology)
        if what := complaint(self.buckets, topology.servers):
            yield Complaint("buckets", what)

    def shares(self, director: Node, layout: Layout) -> dict[str, int]:
        """As the group's table of buckets has them."""
        found = resilient_nexthops.buckets(director)
        return {server.name: found.get(number, 0) for number, server in enumerate(layout.servers, start=1)}

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """The hash, and the group of all servers."""
        hashing = routing.hash_by_flow(network[layout.director], seed, family_of(layout.service))
        return {"router": hashing, "resilient": self._lead_to(network, layout, layout.servers)}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """The group's members are replaced."""
        self._lead_to(network, layout, servers)

    def forget(self, network: Network, layout: Layout) -> None:
        """The group is made anew, and its buckets are dealt out again."""
        resilient_nexthops.forget(network[layout.director], network.log)

    def _lead_to(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> dict[str, Any]:
        known = {number: server.address for number, server in enumerate(layout.servers, start=1)}
        in_pool = {server.name for server in servers}
        members = [number for number, server in enumerate(layout.servers, start=1) if server.name in in_pool]
        settings = Settings(self.buckets, int(self.idle_timer_s), int(self.unbalanced_timer_s))
        router = network[layout.director]
        return resilient_nexthops.put(router, layout.service, known, members, settings, network.log)
