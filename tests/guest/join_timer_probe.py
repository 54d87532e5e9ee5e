"""Runs inside a guest: a download over two paths for each case, with SYNs and SYN+ACKs of the join lost.

Standard input is a JSON object of cases by name. $TESTBED_OUT gets `results.json` and a directory of captures for each
case; the join takes the second path, at the client's a-eth1 and the server's b-eth1.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from mininet.topo import Topo
from mptcp_server_probe import answer, connected, exchange, lose

from testbed.net import sysctl
from testbed.net.counters import protocol_counters
from testbed.net.netns import Node
from testbed.network import running
from testbed.process import CommandLog, run
from testbed.tools import tcpdump
from topologies.links import LinkProfile

RATE_BPS = 10**8
PLACES = {"SYN": ("b", "b-eth1"), "SYN+ACK": ("a", "a-eth1")}
TIMER = "net.mptcp.join_syn_rto_min"


class TwoPaths(Topo):
    """Two hosts with two paths, each of a delay of its own.

    The delay is beyond a switch: TCP sends no SYN again while the first one still waits in the host's own queue.
    """

    def build(self, delays_s: tuple[float, float]) -> None:
        for name in ("a", "b"):
            self.addHost(name, ip=None)
        for number, delay_s in enumerate(delays_s, start=1):
            switch = self.addSwitch(f"s{number}")
            self.addLink("a", switch, profile=LinkProfile(rate_bps=RATE_BPS))
            self.addLink(switch, "b", profile=LinkProfile(rate_bps=RATE_BPS, delay_s=delay_s))


def measured(case: dict[str, Any], out: Path) -> dict[str, Any]:
    """One download; b announces its address on the second path, and a joins it after one round trip."""
    log = CommandLog()
    v6 = case["family"] == 6
    with running(TwoPaths(delays_s=tuple(case["delays_s"])), lambda _a, _b: "packets", log) as network:
        client, server = network["a"], network["b"]
        for number, node in ((1, client), (2, server)):
            for link in (0, 1):
                address = f"fd00:{link}::{number}/64" if v6 else f"10.9.{link}.{number}/24"
                options = ["nodad"] if v6 else []
                run(node.enter("ip", "address", "add", address, "dev", f"{node.name}-eth{link}", *options))
        if case["timer_ms"]:
            sysctl.put(client, {TIMER: case["timer_ms"]})
        run(client.enter("ip", "mptcp", "limits", "set", "subflows", "2", "add_addr_accepted", "2"))
        second, target = ("fd00:1::2", "fd00:0::2") if v6 else ("10.9.1.2", "10.9.0.2")
        run(server.enter("ip", "mptcp", "endpoint", "add", second, "signal"))
        for address in (target, second):  # a neighbour that is not known yet costs the first packet a round trip
            run(client.enter("ping", "-c", "1", "-w", "10", address))
        host, interface = PLACES[case.get("lost", "SYN")]
        end_losses = lose(network[host], interface, case)
        family = socket.AF_INET6 if v6 else socket.AF_INET
        with (
            tcpdump.capturing(client, ["a-eth1"], out, log=log),
            connected(server, client, target, 80, family) as peer,
        ):
            end_losses.start()
            found = exchange(peer, server, {"direction": "download", "blocks": case["blocks"]})
            found["round_trip_ms"] = round_trip_ms(client, second)
        end_losses.cancel()
        found["counters"] = protocol_counters(client)
        return found


def round_trip_ms(client: Node, target: str) -> float | None:
    """What TCP has measured on the subflow to that address."""
    shown = run(client.enter("ss", "-tinH", "dst", f"[{target}]")).stdout
    found = re.search(r" rtt:([0-9.]+)/", shown)
    return float(found[1]) if found else None


if __name__ == "__main__":
    answer(measured)
