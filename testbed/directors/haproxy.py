"""A director that is a proxy, HAProxy: its administrator tells it at its socket who is in the pool.

The paper's [6]. A server that leaves the pool keeps the requests that it has, and a drained one does, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from testbed.base.needs import Need
from testbed.directors.proxying import Proxying
from testbed.net.netns import Node
from testbed.network import WORK, Network
from testbed.process import Process
from testbed.tools import haproxy
from testbed.tools.proxying import Proxied
from topologies.layout import Layout, ServerPlace


class Haproxy(Proxying):
    """HAProxy: a proxy that ends each connection and opens another one to a server, in turn."""

    program: ClassVar[Need] = haproxy.NEED
    needs = Proxying.needs | {haproxy.NEED}

    def serving(self, network: Network, node: Node, service: Proxied) -> AbstractContextManager[Process]:
        """HAProxy."""
        return haproxy.serving(node, service, mptcp=self.mptcp, log=network.log)

    def settings(self, network: Network, layout: Layout) -> Mapping[str, Any]:
        """Its configuration, and the servers as it has them."""
        found = self._tell(layout, layout.servers, ())
        return {"configuration": haproxy.config(self.service(layout), layout.director), "servers": found}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """It is told who is in maintenance."""
        self._tell(layout, servers, ())

    def drain(
        self, network: Network, layout: Layout, servers: Sequence[ServerPlace], drained: Sequence[ServerPlace]
    ) -> None:
        """It is told who is to be drained."""
        self._tell(layout, servers, drained)

    def _tell(self, layout: Layout, servers: Sequence[ServerPlace], drained: Sequence[ServerPlace]) -> dict[str, str]:
        wanted: dict[str, haproxy.State] = {each.name: "maint" for each in layout.servers}
        wanted.update((each.name, "ready") for each in servers)
        wanted.update((each.name, "drain") for each in drained)
        return haproxy.set_servers(WORK, layout.director, wanted)
