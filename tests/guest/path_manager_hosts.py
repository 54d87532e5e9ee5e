"""Client and server of `path_manager_probe.py`, what is downloaded between them, and the daemon at the server.

Two links, 100 Mbit/s where connections are opened and 1 Gbit/s at the server's unique address; ab is the client.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mininet.topo import Topo

from testbed.net.counters import interface_counters, protocol_counters
from testbed.net.mptcp_pm import subflows
from testbed.net.netns import Node, inside
from testbed.network import Network
from testbed.process import CommandLog, Process, wait_until
from testbed.tools import apache_bench, lighttpd, path_manager
from topologies.links import LinkProfile

SERVICE, UNIQUE = "10.9.1.80", "10.9.3.101"
WORK = Path("/tmp/probe")
LOG = CommandLog()
MB = 10**6


class TwoWays(Topo):
    """Client and server, and two links."""

    def build(self) -> None:
        self.addHost("c", ip="10.9.1.2/24")
        self.addHost("s", ip=f"{SERVICE}/24")
        self.addLink("c", "s", profile=LinkProfile(10**8))
        ends = ({"ip": "10.9.3.2/24"}, {"ip": f"{UNIQUE}/24"})
        self.addLink("c", "s", profile=LinkProfile(10**9), params1=ends[0], params2=ends[1])


class Downloads:
    """ab in the background: so many files of so many bytes, so many at a time."""

    def __init__(self, network: Network, size: int, count: int, at_once: int, service: str = SERVICE) -> None:
        self.network, self.count = network, count
        self.before = protocol_counters(network["s"])
        self.bytes_before = _received(network)
        name = lighttpd.generate_file(WORK / "pages", size)
        argv = apache_bench.command(f"http://{service}/{name}", concurrency=at_once, requests=count, mptcp=True)
        self._ab = apache_bench.start(network["c"], argv, WORK, log=LOG)

    def so_far(self) -> Counter[str]:
        """What the server's kernel has counted since the start."""
        now = Counter(protocol_counters(self.network["s"]))
        now.subtract(self.before)
        return now

    def joined(self, number: int) -> None:
        """Wait until so many subflows have joined."""
        wait_until(lambda: self.so_far()["MPTcpExtMPJoinAckRx"] >= number, f"{number} joins", timeout_s=20)

    def opened(self, number: int) -> None:
        """Wait until so many connections are open, and their first data has come."""
        wait_until(lambda: self.so_far()["MPTcpExtMPCapableACKRX"] >= number, f"{number} connections", timeout_s=20)
        time.sleep(0.05)

    def end(self) -> dict[str, Any]:
        """Wait for the end; what came of it."""
        status = self._ab.wait(300)
        text = (WORK / "ab.txt").read_text()
        first, second = (now - before for now, before in zip(_received(self.network), self.bytes_before, strict=True))
        return {
            "status": status,
            "complete": _number(text, "Complete requests"),
            "failed": _number(text, "Failed requests"),
            "mptcp_connections": self.so_far()["MPTcpExtMPCapableACKRX"],
            "joined": self.so_far()["MPTcpExtMPJoinAckRx"],
            "fallbacks": sum(number for name, number in self.so_far().items() if re.match("MPTcp.*Fallback", name)),
            "unique_share": second / (first + second),
        }


def _number(text: str, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", text)
    return int(found.group(1)) if found else -1


def _received(network: Network) -> list[int]:
    counters = interface_counters(network["c"])
    return [counters[name]["rx_bytes"] for name in ("c-eth0", "c-eth1")]


def packets(network: Network) -> list[int]:
    """Packets on each link so far, both ways."""
    counters = interface_counters(network["c"])
    return [counters[name]["rx_packets"] + counters[name]["tx_packets"] for name in ("c-eth0", "c-eth1")]


def initial_subflows(server: Node) -> int:
    with inside(server):
        return sum(subflow.initial for subflow in subflows.established())


def journal(node: str = "s") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (WORK / f"path-manager-{node}.jsonl").read_text().splitlines()]


@contextlib.contextmanager
def daemon(network: Network, unique: str = UNIQUE, **options: Any) -> Iterator[Process]:
    (WORK / "path-manager-s.jsonl").unlink(missing_ok=True)
    with path_manager.managing(network["s"], unique, WORK, log=LOG, **options) as process:
        yield process


@contextlib.contextmanager
def doomed_daemon(network: Network) -> Iterator[Callable[[], None]]:
    """A daemon, and a function that kills it without a warning."""
    said = WORK / "doomed.txt"
    argv = path_manager.command(UNIQUE, WORK / "doomed.jsonl")
    with said.open("wb") as out, Process(network["s"].enter(*argv), stdout=out) as process:
        wait_until(lambda: "ready" in said.read_text().splitlines(), "daemon", timeout_s=60)

        def kill() -> None:
            process.signal(signal.SIGKILL)
            process.wait(5)

        yield kill
