"""Runs inside a guest: makes the captures that the decoder is compared with tshark on.

Two hosts a and b with two links, of which the first passes two middleboxes, m and n; b is the server. Each case below
writes captures to $TESTBED_OUT. To make those of the repository again (ports, keys and
sequence numbers are others each time):

    .venv/bin/testbed exec --lab uml --out NEW -- .venv/bin/python tests/guest/capture_probe.py
    gzip -9n NEW/*.pcap && mv NEW/*.pcap.gz tests/unit/analysis/data/captures/
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from alterations import Corrupter, Holes, Narrower, Tagger, Trouble
from capture_hosts import OUT, Hosts, capturing, hosts, send

from testbed.net import sysctl
from testbed.process import run

KB = 1000


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
