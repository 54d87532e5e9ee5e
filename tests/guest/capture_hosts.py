"""The hosts of the capture probe: two with two links, of which the first passes two middleboxes; captures at them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import middlebox
from mininet.topo import Topo

from testbed.net.counters import protocol_counters
from testbed.net.netns import Node, inside
from testbed.network import Network, running
from testbed.process import CommandLog, Process, run, wait_until
from topologies.links import LinkProfile

OUT = Path(os.environ["TESTBED_OUT"])
IPPROTO_MPTCP = 262
_SNAP = ("-s", "128", "-n", "-U", "-Z", "root", "-w", "-")


class Pair(Topo):
    """Hosts a and b: over the middleboxes m and n, and directly."""

    def build(self) -> None:
        for name in ("a", "m", "n", "b"):
            self.addHost(name, ip=None)
        profile = LinkProfile(rate_bps=10**8, delay_s=0.002)
        self.addLink("a", "m", profile=profile)
        self.addLink("m", "n", profile=profile)
        self.addLink("n", "b", profile=profile)
        self.addLink("a", "b", profile=profile)


def unaltered(frame: bytearray, _tcp: int) -> bytes:
    return bytes(frame)


@dataclass
class Hosts:
    """The running network: client a, server b, and the address that the server listens at."""

    network: Network
    family: int

    @property
    def client(self) -> Node:
        return self.network["a"]

    @property
    def server(self) -> Node:
        return self.network["b"]

    def address(self, link: int, host: str) -> str:
        number = "ab".index(host) + 1
        return f"fd00:{link}::{number}" if self.family == 6 else f"10.9.{link}.{number}"

    def socket_in(self, node: Node, protocol: int) -> socket.socket:
        with inside(node):
            return socket.socket(socket.AF_INET6 if self.family == 6 else socket.AF_INET, socket.SOCK_STREAM, protocol)

    @contextlib.contextmanager
    def connection(
        self, protocol: int = IPPROTO_MPTCP, port: int = 80
    ) -> Iterator[tuple[socket.socket, socket.socket]]:
        """The client's and the server's end of one connection."""
        with self.socket_in(self.server, protocol) as listener, self.socket_in(self.client, protocol) as near:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::" if self.family == 6 else "0.0.0.0", port))
            listener.listen()
            near.settimeout(30)
            near.connect((self.address(0, "b"), port))
            far, _ = listener.accept()
            with far:
                far.settimeout(30)
                yield near, far

    def endpoint(self, node: Node, *words: str) -> None:
        run(node.enter("ip", "mptcp", "endpoint", *words))

    def add_address(self, node: Node, address: str, interface: str) -> None:
        words = (
            [f"{address}/64", "dev", interface, "nodad"] if self.family == 6 else [f"{address}/24", "dev", interface]
        )
        run(node.enter("ip", "address", "add", *words))

    def counted(self, node: Node, name: str, number: int) -> None:
        """Wait until the node's kernel has counted so many of an MPTCP event."""
        wait_until(
            lambda: protocol_counters(node).get(f"MPTcpExt{name}", 0) >= number, f"{number} {name}", timeout_s=20
        )


@contextlib.contextmanager
def hosts(family: int, alter: middlebox.Alter = unaltered, far_alter: middlebox.Alter = unaltered) -> Iterator[Hosts]:
    """The network with addresses, the middleboxes at work."""
    with running(Pair(), lambda _a, _b: "packets", CommandLog()) as network:
        found = Hosts(network, family)
        for host, names in {"a": ("a-eth0", "a-eth1"), "b": ("b-eth0", "b-eth1")}.items():
            for link, interface in enumerate(names):
                found.add_address(network[host], found.address(link, host), interface)
                run(network[host].enter("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off"))
            run(network[host].enter("ip", "mptcp", "limits", "set", "subflows", "4", "add_addr_accepted", "4"))
        with middlebox.passing(network["m"], alter), middlebox.passing(network["n"], far_alter):
            yield found


@contextlib.contextmanager
def capturing(node: Node, name: str, *words: str) -> Iterator[None]:
    """tcpdump until the block ends, into NAME.pcap."""
    said = OUT / f"{name}.txt"
    with (OUT / f"{name}.pcap").open("wb") as out, said.open("wb") as err:
        process = Process(node.enter("tcpdump", *words, *_SNAP), stdout=out, stderr=err)
        with process:
            wait_until(lambda: b"listening on" in said.read_bytes(), f"tcpdump for {name}", timeout_s=30)
            yield
            time.sleep(2.5)  # the kernel hands packets over after a second at most
            process.stop(first=signal.SIGINT, grace_s=60)


def send(source: socket.socket, target: socket.socket, size: int) -> None:
    """Send that many bytes, and take them all in at the other end."""
    thread = threading.Thread(target=source.sendall, args=(bytes(range(256)) * (size // 256 + 1),))
    thread.start()
    left = (size // 256 + 1) * 256
    while left and (data := target.recv(left)):
        left -= len(data)
    thread.join()
