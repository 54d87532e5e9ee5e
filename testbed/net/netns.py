"""A node of the network as the kernel sees it: the namespace of a Mininet host, by its process id."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute, netns


@dataclass(frozen=True)
class Node:
    """A host, router or switch: its name and the id of a process that lives in its namespaces."""

    name: str
    pid: int

    @property
    def namespace(self) -> str:
        """Path of the network namespace."""
        return f"/proc/{self.pid}/ns/net"

    def enter(self, *argv: str) -> list[str]:
        """The argv that runs a command inside this node (`mnexec -a PID`)."""
        return ["mnexec", "-a", str(self.pid), *argv]

    def read(self, path: str) -> str:
        """A file of this node's /proc/net, such as `netstat`."""
        return Path(f"/proc/{self.pid}/net/{path}").read_text()


def here() -> Node:
    """The namespaces that this process lives in."""
    return Node("this machine", os.getpid())


@contextlib.contextmanager
def inside(node: Node) -> Iterator[None]:
    """Move this process into the node's network namespace until the block ends."""
    with Path("/proc/self/ns/net").open("rb") as home:
        netns.setns(node.namespace)
        try:
            yield
        finally:
            netns.setns(home.fileno())


@contextlib.contextmanager
def route_socket(node: Node) -> Iterator[Any]:
    """A routing netlink socket (pyroute2 `IPRoute`) that speaks for the node's namespace."""
    with inside(node), IPRoute() as socket:
        yield socket


def interface_index(socket: Any, name: str) -> int:
    """Index of the interface `name` in the socket's namespace."""
    return int(socket.link_lookup(ifname=name)[0])
