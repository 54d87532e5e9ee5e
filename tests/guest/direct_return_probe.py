"""Runs inside a guest: a megabyte to a server by the service address, and one back, with the director of each case.

A case of standard input has overrides of Fig. 7, and what of the director's table is to pass unchecked. Its result:
what director, server and IPVS have counted before and after, the client's largest segment, who has the service address.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from mptcp_server_probe import answer

from experiments import plan
from experiments.composition import parts_of
from experiments.stage import Stage, stage
from testbed.net.counters import interface_counters
from testbed.net.netns import Node, inside
from testbed.process import CommandLog, run
from testbed.tools import tcpdump

BYTES = 1_000_000


def counted(node: Node) -> dict[str, int]:
    """IP's and ICMP's counters: `IpFragCreates`."""
    lines = [line.split() for line in node.read("snmp").splitlines()]
    found: dict[str, int] = {}
    for (family, *names), (_, *values) in zip(lines[::2], lines[1::2], strict=True):
        found |= {family.rstrip(":") + name: int(value) for name, value in zip(names, values, strict=True)}
    return found


def serve_once(listener: socket.socket) -> None:
    """Take a megabyte, and send one."""
    connection, _ = listener.accept()
    with connection:
        left = BYTES
        while left and (data := connection.recv(65536)):
            left -= len(data)
        connection.sendall(bytes(BYTES))


def exchange(ready: Stage) -> int:
    """A megabyte each way; the largest segment that the client may send."""
    with inside(ready.servers[0].node):
        listener = socket.create_server(("0.0.0.0", ready.layout.port))
    with listener:
        thread = threading.Thread(target=serve_once, args=(listener,))
        thread.start()
        with inside(ready.client):
            client = socket.socket()
        with client:
            client.settimeout(60)
            client.connect((ready.layout.service, ready.layout.port))
            client.sendall(bytes(BYTES))
            got = 0
            while data := client.recv(65536):
                got += len(data)
            segment = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        thread.join()
    assert got == BYTES
    return segment


def reading(ready: Stage) -> dict[str, Any]:
    node = ready.network[ready.layout.director]
    balanced = ready.parts.director.counted(node, ready.layout)
    return {
        "interfaces": interface_counters(node),
        "ipvs": balanced.model_dump(mode="json"),
        "director": counted(node),
        "server": counted(ready.servers[0].node),
    }


def replies(file: Path) -> list[str]:
    """What was said of whose link-layer address is whose: `10.0.1.80 is-at ...`."""
    said = run(["tcpdump", "-n", "-t", "-r", file, "arp"]).stdout
    return sorted({line.partition("Reply ")[2].partition(",")[0] for line in said.splitlines() if "Reply" in line})


def measure(case: dict[str, Any], captures: Path) -> dict[str, Any]:
    point = plan.plan(plan.load(plan.find("fig07")), overrides=case["overrides"])[0]
    parts, log = parts_of(point), CommandLog()
    parts = replace(parts, director=parts.director.model_copy(update=case.get("unchecked", {})))
    with stage(point, parts, log) as ready:
        director = ready.network[ready.layout.director]
        at_director = tcpdump.capturing(director, ["d-eth0"], captures, log=log, buffer_kib=4096)
        at_client = tcpdump.capturing(ready.client, ["c-eth0"], captures, log=log, buffer_kib=4096, what="arp")
        with at_director, at_client:
            before = reading(ready)
            segment = exchange(ready)
            after = reading(ready)
        return {
            "segment": segment,
            "before": before,
            "after": after,
            "servers": ready.settings["ipvs"],
            "replies": replies(captures / "c-eth0.pcap"),
        }


if __name__ == "__main__":
    answer(measure)
