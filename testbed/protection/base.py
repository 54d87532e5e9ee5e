"""What a protection is asked: the base of every protection in this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from testbed.base.parts import Complaint, Part
from testbed.base.registry import Registry
from testbed.network import Network
from testbed.path_manager.options import OwnAddresses
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace


class Protection(Part, ABC):
    """Decides who may reach a server's unique address, which it advertises (paper section VI)."""

    @property
    def admits_everyone(self) -> bool:
        """Whether anybody can open a connection to the unique address. If not, nobody tries before the workload."""
        return True

    @abstractmethod
    def protect(self, network: Network, layout: Layout, server: ServerPlace) -> dict[str, Any]:
        """Protect a server that is configured and does not serve yet; returns the settings as they read back.

        Raises `ReadbackError`.
        """

    @property
    def in_user_space(self) -> bool:
        """Whether it is a path manager in user space that protects."""
        return False

    def own_addresses(self, layout: Layout, server: ServerPlace) -> OwnAddresses | None:
        """What a server's path manager in user space must know to tell each connection another address.

        None, if not said: it tells all of them the unique one.
        """
        del layout, server
        return None

    def own_network(self, layout: Layout, server: ServerPlace) -> str:
        """The network of these addresses, with its prefix; an empty text where there are none."""
        found = self.own_addresses(layout, server)
        return found.prefix if found else ""

    def counted(self, network: Network, server: ServerPlace) -> dict[str, int]:
        """What it has let pass at a server, and what not, in packets by names of its own; nothing, if not said."""
        del network, server
        return {}

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """What is wrong with the table as a whole, or in such a topology."""
        del topology
        yield from ()


PROTECTIONS = Registry("protection", Protection, "testbed.protection", "protections")
