"""What a director is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from testbed.network import Network
from topologies.layout import Layout, ServerPlace

LAB_KERNEL = ((1 << 64) - 1, "the lab kernel")
"""What takes every point's seed: `rng_seed=` (strtoull, patch 0001)."""


class Director(Protocol):
    """Spreads the service address over the servers; each thing that it sets is read back.

    `service_path` is how figures call the path to the service address, `role` how an experiment file calls the node.
    """

    service_path: ClassVar[str]
    role: ClassVar[str]

    def features(self) -> frozenset[str]:
        """The features of the kernel and the programs that it needs (`testbed.labs.features`)."""
        ...

    def socket_address(self, layout: Layout, server: ServerPlace) -> str:
        """The address that a server's own socket sees for the initial subflow."""
        ...

    def prepare(self, network: Network, layout: Layout) -> None:
        """What its own node has before the servers are there. Raises `ReadbackError`."""
        ...

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """What a server has before it serves. Raises `ReadbackError`."""
        ...

    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """Begin to spread the service address over all servers; returns the settings as they read back."""
        ...

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """From now on, new connections come to these servers, at least one, and what else that does to old ones."""
        ...
