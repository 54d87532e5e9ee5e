"""Runs inside a guest: builds a small shaped network and prints what it measures, as JSON."""

from __future__ import annotations

import json
import re
import sys

from mininet.topo import Topo

from testbed.net.counters import interface_counters
from testbed.network import running
from testbed.process import CommandLog, run
from topologies.links import LinkProfile


class Pair(Topo):
    """Two hosts and one link."""

    def build(self, profile: LinkProfile) -> None:
        self.addHost("a", ip="10.9.0.1/24")
        self.addHost("b", ip="10.9.0.2/24")
        self.addLink("a", "b", profile=profile)


def ping_ms(delay_s: float) -> list[float]:
    profile = LinkProfile(rate_bps=10**9, delay_s=delay_s)
    with running(Pair(profile=profile), lambda _a, _b: "packets", CommandLog()) as network:
        text = run(network["a"].enter("ping", "-c", "4", "-i", "0.2", "10.9.0.2")).stdout
    return [float(ms) for ms in re.findall(r"time=([\d.]+) ms", text)]


SEND = """
import socket, sys, time
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 26)
trains, packets = map(int, sys.argv[1:])
for _ in range(trains):
    for _ in range(packets):
        peer.sendto(bytes(1472), ("10.9.0.2", 9))
    time.sleep(0.001)
"""
RECEIVE = """
import socket, sys, time
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)
own.setsockopt(socket.SOL_SOCKET, 35, 1)
own.bind(("10.9.0.2", 9))
print("bound", flush=True)
trains, packets = map(int, sys.argv[1:])
for _ in range(trains):
    stamps = []
    for _ in range(packets):
        data, extra, *_ = own.recvmsg(2048, 256)
        s, ns = (int.from_bytes(extra[0][2][i:i + 8], "little") for i in (0, 8))
        stamps.append(s * 10**9 + ns)
    print(stamps[-1] - stamps[0])
"""


def spreads_ns(trains: int, packets: int) -> list[int]:
    """Nanoseconds between the first and the last of `packets` full frames behind a 1 Gbit/s link, train by train."""
    import subprocess

    profile = LinkProfile(rate_bps=10**9)
    with running(Pair(profile=profile), lambda _a, _b: "packets", CommandLog()) as network:
        run(network["a"].enter("ping", "-c", "1", "10.9.0.2"))
        receiver = subprocess.Popen(
            network["b"].enter(sys.executable, "-c", RECEIVE, str(trains), str(packets)),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert receiver.stdout is not None
        receiver.stdout.readline()
        run(network["a"].enter(sys.executable, "-c", SEND, str(trains), str(packets)))
        text = receiver.stdout.read()
        receiver.wait()
        assert interface_counters(network["b"])["b-eth0"]["rx_packets"] >= trains * packets
    return [int(line) for line in text.split()]


WHAT = {
    "ping": lambda argument: ping_ms(float(argument)),
    "spread": lambda argument: spreads_ns(1, int(argument))[0],
    "pairs": lambda argument: spreads_ns(int(argument), 2),
}

if __name__ == "__main__":
    what, argument = sys.argv[1:]
    print(json.dumps(WHAT[what](argument)))
