"""Runs inside a guest: a join that is complete only after one end has closed or shut down its side, case by case.

Two hosts: the first link takes 0.8 s for what the server sends, the second one has a round trip of 0.2 s, so that the
third ACK of a join reaches the server while most of the data are still to come. Standard input is a JSON object of
cases by name: who has closed by then. $TESTBED_OUT gets `results.json`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
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

DATA = b"1" * 200_000
RATES = (2 * 10**6, 10**8)
DELAYS = (0.001, 0.1)
SEND_BUFFER = {"net.ipv4.tcp_wmem": "4096 4000000 4000000"}  # all of it at once, as a web server would


class TwoLinks(Topo):
    """Two hosts with a slow link and one with a long way."""

    def build(self) -> None:
        for name in ("client", "server"):
            self.addHost(name, ip=None)
        for rate, delay in zip(RATES, DELAYS, strict=True):
            self.addLink("client", "server", profile=LinkProfile(rate_bps=rate, delay_s=delay))


def serve(theirs: socket.socket, closes: bool) -> None:
    theirs.sendall(DATA)
    if closes:
        theirs.close()


def transfer(client: Node, server: Node, closes: str) -> dict[str, Any]:
    with socket_in(server) as listener, contextlib.ExitStack() as stack:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", 80))
        listener.listen()
        ours = stack.enter_context(socket_in(client))
        ours.connect(("10.9.0.2", 80))
        theirs = stack.enter_context(listener.accept()[0])
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
    with running(TwoLinks(), lambda _a, _b: "packets", CommandLog()) as network:
        client, server = network["client"], network["server"]
        for link in range(2):
            for number, node in ((1, client), (2, server)):
                address = f"10.9.{link}.{number}/24"
                run(node.enter("ip", "address", "add", address, "dev", f"{node.name}-eth{link}"))
        sysctl.put(server, SEND_BUFFER)
        with inside(server):
            run(("ip", "mptcp", "endpoint", "add", "10.9.1.2", "signal"))
        with inside(client):
            run(("ip", "mptcp", "limits", "set", "subflows", "1", "add_addr_accepted", "1"))
        found = transfer(client, server, case["closes"])
        found["counters"] = {node.name: protocol_counters(node) for node in (client, server)}
        return found


if __name__ == "__main__":
    answer(measure)
