"""What a set-up is asked: the protocol of everything in this folder."""

from __future__ import annotations

from typing import Protocol

from testbed.base.traits import Bottleneck
from topologies.layout import Layout
from topologies.links import LinkProfile


class Setup(Protocol):
    """Nodes, links, addresses, and the ways between the client and the servers; it describes and runs nothing.

    `past_director`: connections can leave the service address for a server's own.
    """

    @property
    def servers(self) -> int:
        """How many servers there are."""
        ...

    def features(self) -> frozenset[str]:
        """The features of the kernel and the programs that it needs (`testbed.labs.features`)."""
        ...

    def layout(self) -> Layout:
        """What is built, and who is who in it."""
        ...

    def bottlenecks(self, *, mptcp: bool) -> tuple[Bottleneck, ...]:
        """The links that can be full on the way to the client."""
        ...

    def way_rate_bps(self, *, past_director: bool) -> int:
        """The rate in bit/s of the way that a bulk transfer takes."""
        ...

    def limit_note(self, *, mptcp: bool, past_director: bool) -> str:
        """What a limit that is worked out from `way_rate_bps` leaves out, or an empty text."""
        ...

    def delivery_share(self) -> float:
        """The share of exchanges (a packet and its answer) that lose nothing on any of the links."""
        ...

    def way_to_service(self) -> tuple[LinkProfile, ...]:
        """The links between the client and a server by the service address."""
        ...

    def picture(self) -> str:
        """The topology as text."""
        ...
