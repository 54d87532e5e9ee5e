"""Runs inside a guest: packets along the links of the load balancer's topology, each direction by itself; prints JSON.

argv: `times` or `losses`. The links that lead to the client have directions of their own.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from experiments.composition import TOPOLOGIES
from testbed.net import queues
from testbed.net.netns import inside
from testbed.network import Network, running
from testbed.process import CommandLog, run

SO_TIMESTAMPNS = 35
PACKETS, AT_ONCE = 4000, 100
LINKS = {
    "times": ({"towards_client": "70 ms", "towards_server": "10 ms"}, {"towards_server": "3 ms"}),
    "losses": ({"towards_client": "10 %"}, {"towards_client": "2 %", "towards_server": "5 %"}),
}
# Sender and receiver, by the link between them; the second one is that of the client and the switch, and a server's.
WAYS = {
    "director to client": ("d", "10.0.1.1", "c", "10.0.1.2"),
    "client to director": ("c", "10.0.1.2", "d", "10.0.1.1"),
    "server to client": ("s2", "10.0.3.102", "c", "10.0.3.2"),
    "client to server": ("c", "10.0.3.2", "s2", "10.0.3.102"),
}


@contextmanager
def network(what: str) -> Iterator[Network]:
    key = "delay" if what == "times" else "loss"
    near, direct = ({"rate": "1 Gbit/s", key: each} for each in LINKS[what])
    table = {"part": "load-balancer", "servers": 2, "client_director": near, "direct": direct}
    part = TOPOLOGIES.find_ours("load-balancer").part
    layout = part.model_validate({**table, "director_server": {"rate": "1 Gbit/s"}}).layout()

    def framing(one: str, other: str) -> Any:
        return "packets" if layout.is_lossy(one, other) else "bursts"

    with running(layout.topo, framing, CommandLog()) as found:
        for sender, _, _, address in WAYS.values():  # who is who is asked before anything is measured
            run(found[sender].enter("ping", "-c", "3", "-i", "0.2", address), check=False)
        yield found


@contextmanager
def ends(found: Network, way: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that sends one way, and one that receives there."""
    sender, source, receiver, target = WAYS[way]
    opened = []
    for name, address in ((sender, source), (receiver, target)):
        with inside(found[name]):
            opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opened[-1].bind((address, 9))
    near, far = opened
    with near, far:
        near.connect((target, 9))
        far.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        far.settimeout(1)
        yield near, far


def time_ns(found: Network, way: str) -> int:
    """From a packet's departure to its arrival, by the receiver's kernel."""
    with ends(found, way) as (near, far):
        sent_ns = time.time_ns()
        near.send(bytes(56))
        _, extra, *_ = far.recvmsg(2048, 256)
        seconds, nanoseconds = (int.from_bytes(extra[0][2][at : at + 8], "little") for at in (0, 8))
        return seconds * 10**9 + nanoseconds - sent_ns


def arrived(found: Network, way: str) -> int:
    """How many of `PACKETS` arrive."""
    count = 0
    with ends(found, way) as (near, far):
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for _ in range(PACKETS // AT_ONCE):
            for _ in range(AT_ONCE):
                near.send(bytes(56))
            time.sleep(0.01)
            far.setblocking(False)
            try:
                while far.recv(2048):
                    count += 1
            except BlockingIOError:
                pass
    return count


def losses(found: Network, way: str) -> dict[str, int]:
    """How many packets arrive, and how many the sender's queue has dropped meanwhile."""
    sender, source = WAYS[way][:2]
    interface = f"{sender}-eth{0 if source.startswith('10.0.1.') else 1}"
    before = queues.dropped(found[sender]).get(interface, 0)
    count = arrived(found, way)
    return {"arrived": count, "dropped": queues.dropped(found[sender]).get(interface, 0) - before}


if __name__ == "__main__":
    what = sys.argv[1]
    measure = time_ns if what == "times" else losses
    with network(what) as made:
        print(json.dumps({"links": made.links, "ways": {way: measure(made, way) for way in WAYS}}))
