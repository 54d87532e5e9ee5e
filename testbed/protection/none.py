"""No protection: whoever knows a server's unique address can connect to it."""

from __future__ import annotations

from typing import Any

from testbed.network import Network
from testbed.protection.base import Protection
from topologies.layout import Layout, ServerPlace


class Open(Protection):
    """Whoever knows a server's unique address can connect to it."""

    def protect(self, network: Network, layout: Layout, server: ServerPlace) -> dict[str, Any]:
        """Nothing."""
        del network, layout, server
        return {}
