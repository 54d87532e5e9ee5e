"""Runs inside a guest: a join that is complete only after one end has closed or shut down its side, case by case.

Two hosts: the first link takes 0.8 s for what the server sends, the second one has a round trip of 0.2 s, so that the
third ACK of a join reaches the server while most of the data are still to come. Standard input is a JSON object of
cases by name: who has closed by then. $TESTBED_OUT gets `results.json`.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

from mptcp_server_probe import answer
from two_links import connection, two_hosts

from testbed.net.counters import protocol_counters
from testbed.net.netns import Node
from topologies.links import LinkProfile

DATA = b"1" * 200_000
LINKS = (LinkProfile(rate_bps=2 * 10**6, delay_s=0.001), LinkProfile(rate_bps=10**8, delay_s=0.1))
SEND_BUFFER = {"net.ipv4.tcp_wmem": "4096 4000000 4000000"}  # all of it at once, as a web server would


def serve(theirs: socket.socket, closes: bool) -> None:
    theirs.sendall(DATA)
    if closes:
        theirs.close()


def transfer(client: Node, server: Node, closes: str) -> dict[str, Any]:
    with connection(client, server) as (ours, theirs):
        ours.settimeout(30)
        if closes == "client":
            ours.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=serve, args=(theirs, closes == "server"))
        thread.start()
        received = 0
        while received < len(DATA) and (chunk := ours.recv(1 << 20)):
            received += len(chunk)
        thread.join()
        return {"received": received}


def measure(case: dict[str, Any], _captures: Path) -> dict[str, Any]:
    with two_hosts(LINKS, {"server": SEND_BUFFER}) as (client, server):
        found = transfer(client, server, case["closes"])
        found["counters"] = {node.name: protocol_counters(node) for node in (client, server)}
        return found


if __name__ == "__main__":
    answer(measure)
