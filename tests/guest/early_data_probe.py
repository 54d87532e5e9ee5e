"""Runs inside a guest: data on a join that arrive ahead of all data on the initial subflow, case by case.

Two hosts: the first link is slow, the second one fast. The host that sends writes one segment when the connection is
up, and ten more once the second subflow is, which overtake the first one. Standard input is a JSON object of cases by
name: who sends, and the sysctls of both hosts. $TESTBED_OUT gets `results.json`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any

from mininet.topo import Topo
from mptcp_server_probe import answer, socket_in

from testbed.net import sysctl
from testbed.net.counters import protocol_counters
from testbed.net.netns import Node, inside
from testbed.network import running
from testbed.process import CommandLog, run
from topologies.links import LinkProfile

FIRST = b"1" * 1000  # on the slow link for 43 ms
SECOND = b"2" * 14_000  # within an initial congestion window
PAUSE_S = 0.045  # from one to the other: by then the join is up, and the first one still on its way
RATES = (2 * 10**5, 10**8)
DELAYS = (0.010, 0.001)


class TwoLinks(Topo):
    """Two hosts with a slow link and a fast one."""

    def build(self) -> None:
        for name in ("client", "server"):
            self.addHost(name, ip=None)
        for rate, delay in zip(RATES, DELAYS, strict=True):
            self.addLink("client", "server", profile=LinkProfile(rate_bps=rate, delay_s=delay))


def send(sender: socket.socket) -> None:
    sender.sendall(FIRST)
    time.sleep(PAUSE_S)
    sender.sendall(SECOND)


def receive(receiver: socket.socket, started: float) -> dict[str, Any]:
    """When the first byte and the last one came, after `started`, and whether all came in their order."""
    data, first_s = b"", 0.0
    while len(data) < len(FIRST + SECOND) and (chunk := receiver.recv(1 << 20)):
        first_s = first_s or time.monotonic() - started
        data += chunk
    return {"first_s": first_s, "last_s": time.monotonic() - started, "intact": data == FIRST + SECOND}


def transfer(client: Node, server: Node, sender: str) -> dict[str, Any]:
    with socket_in(server) as listener, contextlib.ExitStack() as stack:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", 80))
        listener.listen()
        ours = stack.enter_context(socket_in(client))
        ours.connect(("10.9.0.2", 80))
        theirs = stack.enter_context(listener.accept()[0])
        ends = {"client": ours, "server": theirs}
        receiver = ends["server" if sender == "client" else "client"]
        receiver.settimeout(30)
        thread = threading.Thread(target=send, args=(ends[sender],))
        started = time.monotonic()
        thread.start()
        found = receive(receiver, started)
        thread.join()
        return found


def measure(case: dict[str, Any], _captures: Path) -> dict[str, Any]:
    with running(TwoLinks(), lambda _a, _b: "packets", CommandLog()) as network:
        client, server = network["client"], network["server"]
        for link in range(2):
            for number, node in ((1, client), (2, server)):
                address = f"10.9.{link}.{number}/24"
                run(node.enter("ip", "address", "add", address, "dev", f"{node.name}-eth{link}"))
        for node in (client, server):
            sysctl.put(node, case["sysctls"])
        with inside(server):
            run(("ip", "mptcp", "endpoint", "add", "10.9.1.2", "signal"))
        with inside(client):
            run(("ip", "mptcp", "limits", "set", "subflows", "1", "add_addr_accepted", "1"))
        found = transfer(client, server, case["sender"])
        found["counters"] = {node.name: protocol_counters(node) for node in (client, server)}
        return found


if __name__ == "__main__":
    answer(measure)
