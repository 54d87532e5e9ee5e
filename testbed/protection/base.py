"""What a protection is asked: the base of every protection in this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from testbed.base.parts import Complaint, Part
from testbed.base.registry import Registry
from testbed.network import Network
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace


class Protection(Part, ABC):
    """Decides who may reach a server's unique address, which it advertises (paper section VI)."""

    @abstractmethod
    def protect(self, network: Network, layout: Layout, server: ServerPlace) -> dict[str, Any]:
        """Protect a server that is configured and does not serve yet; returns the settings as they read back.

        Raises `ReadbackError`.
        """

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """What is wrong with the table as a whole, or in such a topology."""
        del topology
        yield from ()


PROTECTIONS = Registry("protection", Protection, "testbed.protection", "protections")
