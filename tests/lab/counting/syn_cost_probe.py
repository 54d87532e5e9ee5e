"""Runs inside the machine that counts: what a SYN takes that a server answers or drops, between two marks each.

argv: a list of arms as JSON: a name, a point as JSON, the SYNs' kind, whether they go anywhere in the server's network,
and whether the server's link is down (then what is left is what sending takes). The compiled generator of SYNs lies in
`$TESTBED_OUT`. Leaves `costs.json` there: for each arm what became of the SYNs, of few and of many.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from experiments.composition import parts_of
from experiments.stage import path_managers, stage
from testbed.labs.counting import marks
from testbed.net import sockets
from testbed.net.netns import Node
from testbed.network import WORK
from testbed.process import CommandLog, Process, run, wait_until
from testbed.record.point import Point
from testbed.tools import syn_generator
from topologies.addresses import network_of

FEW, MANY = 2_000, 12_000
_SETTLED_S = 5.0  # what waited for an ACK in vain is given up (where a SYN+ACK is sent twice, after three seconds)
_LIMIT_S = 60.0

# A listener of MPTCP with room for as many SYNs as net.core.somaxconn allows: lighttpd has room for 1024.
_LISTEN = """
import socket, sys, time
listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
listener.bind(("::", int(sys.argv[1])))
listener.listen(1 << 16)
time.sleep(1e6)
"""
# A connection that joins and stays, for its token: with a byte of data it is one for the server, too.
_CONNECT = "exec 3<>/dev/tcp/$0/$1 && printf G >&3 && exec sleep 1000000"


def listening(node: Node, port: int) -> Process:
    """Somebody who listens there over MPTCP, in both families, and never accepts."""
    process = Process(node.enter(sys.executable, "-c", _LISTEN, str(port)), keeps_id=False)
    wait_until(lambda: sockets.listens(node, port, ipv6=True), f"a listener on {node.name}", timeout_s=_LIMIT_S)
    return process


if __name__ == "__main__":
    mark, out, log = marks.mark(), Path(os.environ["TESTBED_OUT"]), CommandLog()
    done: dict[str, Any] = {}
    for name, text, kind, anywhere, is_down in json.loads(sys.argv[1]):
        point = Point.from_json(text)
        parts = parts_of(point)
        with ExitStack() as stack:
            ready = stack.enter_context(stage(point, parts, log))
            stack.enter_context(path_managers(point, ready, out))
            (server,), client, port = ready.servers, ready.client, ready.layout.port
            stack.enter_context(listening(server.node, port))
            network = parts.protection.own_network(ready.layout, server.place) if anywhere else ""
            target = str(ip_network(network).network_address) if network else server.unique
            WORK.mkdir(exist_ok=True)
            program = Path(shutil.copy(out / "syn_generator", WORK))
            origin = syn_generator.address_in(network_of(ready.client_addresses[1]))
            place = stack.enter_context(syn_generator.stranger(client, server.unique, origin, log))
            if is_down:
                run(server.node.enter("ip", "link", "set", f"{server.node.name}-eth1", "down"), log=log)
            tallies = []
            for count in (FEW, FEW, MANY):  # the first of them so that all that runs is in memory
                syns = syn_generator.Syns(kind, target, port, count, 50_000, 0.0, 1, anywhere=anywhere)
                mark()
                with ExitStack() as sending:
                    process = syn_generator.start(program, client, place, syns, 0, WORK / "syns", log)
                    sending.enter_context(process)
                    if kind == "replay":
                        argv = ("mptcpize", "run", "bash", "-c", _CONNECT, ready.layout.service, str(port))
                        sending.enter_context(Process(client.enter(*argv), log=log, keeps_id=False))
                    tallies.append(syn_generator.tally(process, syns, WORK / "syns"))
                    time.sleep(_SETTLED_S)
                mark()
            done[name] = [each.fields() for each in tallies[1:]]
            if is_down:
                run(server.node.enter("ip", "link", "set", f"{server.node.name}-eth1", "up"), log=log)
        sys.stdout.write(f"{name}: {done[name]}\n")
        sys.stdout.flush()
    (out / "costs.json").write_text(json.dumps(done))
