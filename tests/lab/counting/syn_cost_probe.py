"""Runs inside the machine that counts: what a SYN takes that a server answers or drops, between two marks each.

argv: a list of arms as JSON: a name, a point as JSON, the SYNs' kind, whether they go anywhere in the server's network,
and whether the server's link is down (then what is left is what sending takes). The compiled generator of SYNs lies in
`$TESTBED_OUT`. Leaves `costs.json` there: for each arm the numbers of SYNs, and how many of them a SYN+ACK and a RST
came to.
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
from experiments.stage import WORK, path_managers, stage
from testbed.labs.counting import marks
from testbed.process import CommandLog, run
from testbed.record.point import Point
from testbed.tools import lighttpd, syn_generator
from topologies.addresses import network_of

FEW, MANY = 2_000, 12_000
_SETTLED_S = 2.0

if __name__ == "__main__":
    mark, out, log = marks.mark(), Path(os.environ["TESTBED_OUT"]), CommandLog()
    done: dict[str, Any] = {}
    for name, text, kind, anywhere, is_down in json.loads(sys.argv[1]):
        point = Point.from_json(text)
        parts = parts_of(point)
        with ExitStack() as stack:
            ready = stack.enter_context(stage(point, parts, log))
            stack.enter_context(path_managers(point, ready, out))
            pages = WORK / "pages"
            pages.mkdir(parents=True, exist_ok=True)
            lighttpd.generate_file(pages, 1)
            (server,) = ready.servers
            serving = lighttpd.serving(server.node, pages, ready.layout.port, WORK, mptcp=True, ipv6=True, log=log)
            stack.enter_context(serving)
            network = parts.protection.own_network(ready.layout, server.place) if anywhere else ""
            target = str(ip_network(network).network_address) if network else server.unique
            program = Path(shutil.copy(out / "syn_generator", WORK))
            origin = syn_generator.address_in(network_of(ready.client_addresses[1]))
            place = stack.enter_context(syn_generator.stranger(ready.client, server.unique, origin, log))
            if is_down:
                run(server.node.enter("ip", "link", "set", f"{server.node.name}-eth1", "down"), log=log)
            tallies = []
            for count in (FEW, FEW, MANY):  # the first of them so that all that runs is in memory
                syns = syn_generator.Syns(kind, target, ready.layout.port, count, 50_000, 0.0, 1, anywhere=anywhere)
                mark()
                with syn_generator.start(program, ready.client, place, syns, 0, WORK / "syns", log) as process:
                    tallies.append(syn_generator.tally(process, syns, WORK / "syns"))
                time.sleep(_SETTLED_S)
                mark()
            done[name] = [(each.syns, each.answered, each.refused) for each in tallies[1:]]
            if is_down:
                run(server.node.enter("ip", "link", "set", f"{server.node.name}-eth1", "up"), log=log)
        sys.stdout.write(f"{name}: {done[name]}\n")
        sys.stdout.flush()
    (out / "costs.json").write_text(json.dumps(done))
