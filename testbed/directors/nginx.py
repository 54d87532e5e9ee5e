"""A director that is a proxy, nginx: another pool is another configuration, with which new workers start.

The paper's [8]. Old workers go on with the connections that they have: a server that leaves the pool keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from testbed.base.needs import Need
from testbed.directors.proxying import Proxying
from testbed.net.netns import Node
from testbed.network import Network
from testbed.process import Process
from testbed.tools import nginx
from testbed.tools.proxying import Proxied
from topologies.layout import Layout, ServerPlace


class Nginx(Proxying):
    """nginx: a proxy that ends each connection and opens another one to a server, in turn."""

    program: ClassVar[Need] = nginx.NEED
    needs = Proxying.needs | {nginx.NEED, nginx.STREAM}

    def features(self) -> frozenset[Need]:
        """Its module for bytes as well, if it reads no requests."""
        return super().features() | ({nginx.STREAM} if self.mode == "tcp" else set())

    def serving(self, network: Network, node: Node, service: Proxied) -> AbstractContextManager[Process]:
        """nginx."""
        return nginx.serving(node, service, mptcp=self.mptcp, log=network.log)

    def settings(self, network: Network, layout: Layout) -> Mapping[str, Any]:
        """Its configuration."""
        return {"configuration": nginx.write(self.service(layout), layout.director, self._names(layout.servers))}

    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """It reads another configuration."""
        process, node = network.programs[self.name_of(layout)], network[layout.director]
        nginx.reload(process, self.service(layout), node, self._names(servers))

    def drain(
        self, network: Network, layout: Layout, servers: Sequence[ServerPlace], drained: Sequence[ServerPlace]
    ) -> None:
        """Who is drained is in the pool of the old workers alone."""
        self.set_pool(network, layout, servers)

    @staticmethod
    def _names(servers: Sequence[ServerPlace]) -> list[str]:
        return [each.name for each in servers]
