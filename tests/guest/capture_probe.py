"""Runs inside a guest: makes the captures that the decoder is compared with tshark on.

Two hosts a and b with two links, of which the first passes two middleboxes, m and n; b is the server. Each case below
writes captures to $TESTBED_OUT. To make those of the repository again (ports, keys and
sequence numbers are others each time):

    .venv/bin/testbed exec --lab uml --out NEW -- .venv/bin/python tests/guest/capture_probe.py
    gzip -9n NEW/*.pcap && mv NEW/*.pcap.gz tests/unit/analysis/data/captures/
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mininet.topo import Topo

sys.path.insert(0, str(Path(__file__).parent))
import middlebox

from testbed.net import sysctl
from testbed.net.counters import protocol_counters
from testbed.net.netns import Node, inside
from testbed.network import Network, running
from testbed.process import CommandLog, Process, run, wait_until
from topologies.links import LinkProfile

OUT = Path(os.environ["TESTBED_OUT"])
IPPROTO_MPTCP = 262
KB = 1000
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


def announced(family: int, name: str, link_type: str) -> None:
    """ADD_ADDR with and without port, echoes, joins (one as a backup), MP_PRIO, REMOVE_ADDR of one and of two ids."""
    with hosts(family) as pair:
        if family == 6:
            for node in (pair.client, pair.server):
                # Beside timestamps there is no room for an IPv6 address with port and HMAC.
                sysctl.put(node, {"net.mptcp.checksum_enabled": 1, "net.ipv4.tcp_timestamps": 0})
        second = pair.address(1, "b")
        pair.endpoint(pair.server, "add", second, "id", "5", "signal")
        third = f"{second}2"
        pair.add_address(pair.server, third, "b-eth1")
        pair.endpoint(pair.server, "add", third, "port", "8080", "id", "6", "signal")
        with capturing(pair.client, name, "-i", "any", "-y", link_type):
            with pair.connection() as (near, far):
                send(far, near, 10 * KB)
                pair.counted(pair.server, "MPJoinAckRx", 2)
                own = f"{pair.address(1, 'a')}2"  # not before: the other joins would use it
                pair.add_address(pair.client, own, "a-eth1")
                pair.endpoint(pair.client, "add", own, "id", "9", "subflow", "backup")
                pair.counted(pair.server, "MPJoinAckRx", 3)
                send(far, near, 20 * KB)
                send(near, far, 20 * KB)
                pair.endpoint(pair.server, "change", "id", "5", "backup")
                pair.endpoint(pair.client, "change", "id", "9", "nobackup")
                time.sleep(0.1)
                send(far, near, 20 * KB)
                pair.endpoint(pair.client, "delete", "id", "9")
                time.sleep(0.1)
                pair.endpoint(pair.server, "flush")
                time.sleep(0.1)
                send(far, near, 5 * KB)
            time.sleep(0.5)


class Corrupter:
    """Turns over a byte in the payload of one segment, told by its number among those from a port."""

    def __init__(self, port: int, number: int) -> None:
        self._port, self._number, self._seen = port, number, 0

    def __call__(self, frame: bytearray, tcp: int) -> bytes:
        if tcp and (at := middlebox.payload_at(frame, tcp)) < middlebox.packet_end(frame, tcp):
            self._seen += frame[tcp : tcp + 2] == self._port.to_bytes(2, "big")
            if self._seen == self._number:
                self._seen += 1
                frame[at] ^= 0xFF
                return middlebox.with_checksum(frame, tcp)
        return bytes(frame)


def corrupted() -> None:
    """Payload corrupted under MPTCP's checksum: MP_FAIL on the only subflow, RST with MP_FAIL on one of two."""
    for family, name, joins in ((4, "corrupted", 0), (6, "corrupted-of-two", 1)):
        with hosts(family, Corrupter(80, 9)) as pair:
            for node in (pair.client, pair.server):
                sysctl.put(node, {"net.mptcp.checksum_enabled": 1})
            if joins:
                pair.endpoint(pair.server, "add", pair.address(1, "b"), "signal")
            with capturing(pair.client, name, "-i", "any"):
                with pair.connection() as (near, far):
                    if joins:
                        pair.counted(pair.server, "MPJoinAckRx", joins)
                    send(far, near, 4 * KB)  # before one right checksum the kernel falls back without MP_FAIL
                    time.sleep(0.1)
                    send(far, near, 40 * KB)
                time.sleep(0.5)


def aborted() -> None:
    """MP_FASTCLOSE (closed with unread data, in either direction), and joins that are refused (MP_TCPRST)."""
    with hosts(4) as pair, capturing(pair.client, "aborted", "-i", "a-eth0", "--time-stamp-precision=nano"):
        with pair.connection() as (near, far):
            far.sendall(bytes(5 * KB))
            time.sleep(0.1)
            near.close()
            time.sleep(0.3)
        with pair.connection() as (near, far):
            near.sendall(bytes(5 * KB))
            time.sleep(0.1)
            far.close()
            time.sleep(0.3)
        with pair.connection() as (near, far):
            send(far, near, 2 * KB)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
            time.sleep(0.3)
        run(pair.server.enter("ip", "mptcp", "limits", "set", "subflows", "0", "add_addr_accepted", "0"))
        pair.endpoint(pair.client, "add", pair.address(1, "a"), "id", "9", "subflow")
        with pair.connection() as (near, far):
            send(far, near, 2 * KB)
            time.sleep(0.3)
        time.sleep(0.5)


class Narrower:
    """Rewrites DSS: 64-bit numbers as 32 bits, and leaves out some data acknowledgements; the hosts understand both.

    A number of 64 bits stands for its lower half (RFC 8684 section 3.3.1), so the connection goes on.
    """

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, frame: bytearray, tcp: int) -> bytes:
        at = self._find(frame, tcp) if tcp else 0
        if not at:
            return bytes(frame)
        self._seen += 1
        length, flags = frame[at + 1], frame[at + 3]
        body, narrow = bytes(frame[at + 4 : at + length]), self._seen % 4
        ack = body[: 8 if flags & 2 else 4] if flags & 1 else b""
        rest = body[len(ack) :]
        if flags & 4 and narrow == 0:
            ack, flags = b"", flags & ~3
        elif len(ack) == 8 and narrow in (1, 2):
            ack, flags = ack[4:], flags & ~2
        if flags & 8 and narrow in (0, 2, 3) and self._seen % 3:
            rest, flags = rest[4:], flags & ~8
        option = bytes([30, 4 + len(ack) + len(rest), frame[at + 2], flags]) + ack + rest
        frame[at : at + length] = option.ljust(length, b"\x01")
        return middlebox.with_checksum(frame, tcp)

    @staticmethod
    def _find(frame: bytearray, tcp: int) -> int:
        at, end = tcp + 20, middlebox.payload_at(frame, tcp)
        while at < end and frame[at]:
            if frame[at] == 30 and frame[at + 2] >> 4 == 2:
                return at
            at += 1 if frame[at] == 1 else frame[at + 1]
        return 0


def narrowed() -> None:
    """DSS with numbers of 32 and 64 bits and without acknowledgement, with and without checksum; DATA_FIN."""
    for family, name, checksum in ((4, "narrowed", 0), (4, "narrowed-checksum", 1)):
        with hosts(family, Narrower()) as pair:
            for node in (pair.client, pair.server):
                sysctl.put(node, {"net.mptcp.checksum_enabled": checksum})
            with capturing(pair.client, name, "-i", "a-eth0", "--time-stamp-precision=nano"):
                for _ in range(2):
                    with pair.connection() as (near, far):
                        send(near, far, 30 * KB)
                        send(far, near, 30 * KB)
                        far.shutdown(socket.SHUT_WR)
                        time.sleep(0.1)
                time.sleep(0.5)


class Trouble:
    """Loses some segments, and marks some as having met congestion (ECN)."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, frame: bytearray, tcp: int) -> bytes | None:
        if not tcp:
            return bytes(frame)
        self._seen += 1
        if middlebox.payload_at(frame, tcp) < middlebox.packet_end(frame, tcp):
            if self._seen % 9 == 0:
                return None
            if self._seen % 7 == 0 and frame[15] & 3:
                frame[15] |= 3
                frame[24:26] = b"\0\0"
                frame[24:26] = _internet_checksum(bytes(frame[14:34]))
        return bytes(frame)


def _internet_checksum(header: bytes) -> bytes:
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def plain() -> None:
    """TCP alone: losses (SACK), ECN, urgent data, Fast Open, no timestamps, no window scale, a refused connection."""
    with hosts(4, Trouble()) as pair:
        for node in (pair.client, pair.server):
            sysctl.put(node, {"net.ipv4.tcp_ecn": 1, "net.ipv4.tcp_fastopen": 3})
        with capturing(pair.client, "plain", "-i", "a-eth0", "--time-stamp-precision=nano"):
            with pair.connection(0) as (near, far):
                send(far, near, 150 * KB)
                near.send(b"!", socket.MSG_OOB)
                send(near, far, 60 * KB)
            for node in (pair.client, pair.server):
                off = ("timestamps", "window_scaling", "sack")
                sysctl.put(node, {f"net.ipv4.tcp_{name}": 0 for name in off})
            with pair.connection(0) as (near, far):
                send(far, near, 20 * KB)
            with pair.socket_in(pair.client, 0) as near, contextlib.suppress(ConnectionRefusedError):
                near.connect((pair.address(0, "b"), 81))
            fast_open(pair)
            time.sleep(0.5)


class Holes:
    """Loses every second one of a connection's first segments with payload from port 80, four in all."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def __call__(self, frame: bytearray, tcp: int) -> bytes | None:
        if tcp and middlebox.payload_at(frame, tcp) < middlebox.packet_end(frame, tcp):
            ports = bytes(frame[tcp : tcp + 4])
            self._seen[ports] += 1
            if ports.startswith(b"\0P") and self._seen[ports] in (2, 4, 6, 8):
                return None
        return bytes(frame)


def denied() -> None:
    """The paper's server: the C flag, ADD_ADDR, a join that it calls a backup. DATA_FIN with data, SACK."""
    with hosts(4, far_alter=Holes()) as pair:
        sysctl.put(pair.server, {"net.mptcp.allow_join_initial_addr_port": 0})
        pair.endpoint(pair.server, "add", pair.address(1, "b"), "id", "1", "signal", "backup")
        with capturing(pair.client, "denied", "-i", "any", "-y", "LINUX_SLL2", "--time-stamp-precision=nano"):
            with pair.connection() as (near, far):
                pair.counted(pair.server, "MPJoinAckRx", 1)
                send(far, near, 30 * KB)
                # Closed while some of it still waits to be sent: the DATA_FIN comes with the last of the data.
                far.sendall(bytes(80 * KB))
                far.shutdown(socket.SHUT_WR)
                while near.recv(1 << 20):
                    pass
            # Timestamps leave room for three blocks of SACK.
            for timestamps in (1, 0):
                sysctl.put(pair.client, {"net.ipv4.tcp_timestamps": timestamps})
                with pair.connection(0) as (near, far):
                    send(far, near, 30 * KB)
            time.sleep(0.5)


def tagged() -> None:
    """VLAN tags, one and two (802.1Q in 802.1ad), in microseconds."""
    with hosts(4, Tagger(2), Tagger(0)) as pair, capturing(pair.network["m"], "tagged", "-i", "m-eth1"):
        for node, interface in ((pair.client, "a-eth0"), (pair.server, "b-eth0")):
            run(node.enter("ip", "link", "set", interface, "mtu", "1400"))  # room for the tags
        for port in (80, 81):
            with pair.connection(port=port) as (near, far):
                send(far, near, 4 * KB)
                time.sleep(0.1)
        time.sleep(0.5)


class Tagger:
    """Puts segments from or to port 80 in VLAN 7, and of port 81 in VLAN 7 inside VLAN 100 with priority 5.

    `port_at` says which of both ports counts, so that each middlebox tags what it sends to the other one. Received
    frames have lost their outer tag to the kernel; the inner one comes off here.
    """

    def __init__(self, port_at: int) -> None:
        self._port_at = port_at

    def __call__(self, frame: bytearray, tcp: int) -> bytes:
        if frame[12:14] == b"\x81\x00":
            del frame[12:16]
        port = int.from_bytes(frame[tcp + self._port_at :][:2], "big") if tcp else 0
        tags = {80: b"\x81\x00\x00\x07", 81: b"\x88\xa8\xa0\x64\x81\x00\x00\x07"}.get(port, b"")
        return bytes(frame[:12] + tags + frame[12:])


def fast_open(pair: Hosts) -> None:
    """Two connections with data in the SYN as soon as there is a cookie."""
    with pair.socket_in(pair.server, 0) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
        listener.bind(("0.0.0.0", 82))
        listener.listen()
        for _ in range(2):
            with pair.socket_in(pair.client, 0) as near:
                near.sendto(b"hello", socket.MSG_FASTOPEN, (pair.address(0, "b"), 82))
                far, _ = listener.accept()
                with far:
                    far.recv(5)
                    send(far, near, 2 * KB)


CASES: dict[str, Callable[[], None]] = {
    "announced": lambda: announced(4, "announced", "LINUX_SLL2"),
    "announced6": lambda: announced(6, "announced6-checksum", "LINUX_SLL"),
    "corrupted": corrupted,
    "aborted": aborted,
    "narrowed": narrowed,
    "plain": plain,
    "tagged": tagged,
    "denied": denied,
}


def main() -> None:
    for name, case in CASES.items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            case()
    for said in OUT.glob("*.txt"):
        said.unlink()


if __name__ == "__main__":
    main()
