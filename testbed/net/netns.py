"""A node of the network as the kernel sees it: the namespace of a Mininet host, by its process id."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import TestbedError
from testbed.net import netlink
from testbed.net.netlink import Netlink

_HARDWARE_ADDRESS = 0x8927  # SIOCGIFHWADDR, include/uapi/linux/sockios.h
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, include/uapi/linux/sched.h

_libc = ctypes.CDLL(None, use_errno=True)


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

    def interface(self, name: str, attribute: str) -> str:
        """What the kernel says of an interface of this node, such as `mtu` (sysfs(5), /sys/class/net)."""
        return Path("/proc", str(self.pid), "root/sys/class/net", name, attribute).read_text()


def here() -> Node:
    """The namespaces that this process lives in."""
    return Node("this machine", os.getpid())


@contextlib.contextmanager
def inside(node: Node) -> Iterator[None]:
    """Move this process into the node's network namespace until the block ends."""
    with Path("/proc/self/ns/net").open("rb") as home:
        with Path(node.namespace).open("rb") as there:
            _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


@contextlib.contextmanager
def new_namespace() -> Iterator[None]:
    """Move this process into a network namespace of its own, with nothing in it, until the block ends; needs root."""
    with Path("/proc/self/ns/net").open("rb") as home:
        if _libc.unshare(_NEW_NETWORK) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"a network namespace of its own: {os.strerror(number)}")
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"another network namespace: {os.strerror(number)}")


@contextlib.contextmanager
def routing_socket(node: Node) -> Iterator[Netlink]:
    """A netlink socket for routes, rules and addresses that speaks for the node's namespace."""
    with inside(node), Netlink(netlink.ROUTE) as opened:
        yield opened


@contextlib.contextmanager
def generic_socket(node: Node) -> Iterator[Netlink]:
    """A socket for the families of generic netlink that speaks for the node's namespace."""
    with inside(node), Netlink(netlink.GENERIC) as opened:
        yield opened


def link_address(name: str) -> str:
    """The link-layer address of an interface in the namespace that this process is in; raises `TestbedError`."""
    asked = struct.pack("16s24x", name.encode())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            found = fcntl.ioctl(opened, _HARDWARE_ADDRESS, asked)
    except OSError as error:
        raise TestbedError(f"no interface {name}") from error
    return found[18:24].hex(":")


def interface_index(name: str) -> int:
    """Index of an interface in the namespace that this process is in; raises `TestbedError` if there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise TestbedError(f"no interface {name}") from error
