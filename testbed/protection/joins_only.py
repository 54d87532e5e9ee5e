"""The filter of the paper's section VI: a server's unique address takes subflows of connections, and opens none."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from testbed.net import joins_only, nftables
from testbed.net.joins_only import Refusal
from testbed.network import Network
from testbed.protection.base import Protection
from topologies.layout import Layout, ServerPlace


class JoinsOnly(Protection):
    """Only SYNs with MP_JOIN, and to the service's port, reach a unique address: a filter on each server (nftables)."""

    needs = frozenset({joins_only.NEED, nftables.PROGRAM})

    refusal: Refusal = Field(
        default="drop", description="What becomes of every other SYN: no answer, or a RST as from a closed port."
    )

    @property
    def admits_everyone(self) -> bool:
        """No connection is opened there."""
        return False

    def protect(self, network: Network, layout: Layout, server: ServerPlace) -> dict[str, Any]:
        """Put the filter on the server."""
        rules = joins_only.put(network[server.name], server.unique, layout.port, self.refusal, network.log)
        return {"nftables": rules}

    def counted(self, network: Network, server: ServerPlace) -> dict[str, int]:
        """SYNs that passed and that did not, and SYN+ACKs that were none of a join's."""
        return joins_only.counted(network[server.name])
