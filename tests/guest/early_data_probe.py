"""Runs inside a guest: data on a join that arrive ahead of all data on the initial subflow, case by case.

Two hosts: the first link is slow, the second one fast. The host that sends writes one segment when the connection is
up, and ten more once the second subflow is, which overtake the first one. Standard input is a JSON object of cases by
name: who sends, and the sysctls of both hosts. $TESTBED_OUT gets `results.json`.
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

from mptcp_server_probe import answer
from two_links import connection, two_hosts

from testbed.net.counters import protocol_counters
from testbed.net.netns import Node
from topologies.links import LinkProfile

FIRST = b"1" * 1000  # on the slow link for 43 ms
SECOND = b"2" * 14_000  # within an initial congestion window
PAUSE_S = 0.045  # from one to the other: by then the join is up, and the first one still on its way
LINKS = (LinkProfile(rate_bps=2 * 10**5, delay_s=0.010), LinkProfile(rate_bps=10**8, delay_s=0.001))


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
    with connection(client, server) as (ours, theirs):
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
    with two_hosts(LINKS, {"client": case["sysctls"], "server": case["sysctls"]}) as (client, server):
        found = transfer(client, server, case["sender"])
        found["counters"] = {node.name: protocol_counters(node) for node in (client, server)}
        return found


if __name__ == "__main__":
    answer(measure)
