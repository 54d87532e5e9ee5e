"""Runs inside a guest: connections through a director whose pool changes; prints where they were and which broke.

Arguments: the director, then overrides of Fig. 7. The servers here are sockets of this process in the servers' own
namespaces: each connection sends a byte and gets it back, before the change and after it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from experiments import plan
from experiments.composition import parts_of
from experiments.stage import Stage, stage
from testbed.net.netns import inside
from testbed.process import CommandLog

CONNECTIONS = 300
PATIENCE_S = 0.2
SETTLED_S = 0.1


@contextlib.contextmanager
def connected(ready: Stage) -> Iterator[dict[str, list[tuple[socket.socket, socket.socket]]]]:
    """Connections to the service, both ends, by the server that each came to."""
    with contextlib.ExitStack() as stack:
        listeners = {}
        for place in ready.layout.servers:
            with inside(ready.network[place.name]):
                listener = stack.enter_context(socket.create_server(("0.0.0.0", ready.layout.port), backlog=1024))
            listener.setblocking(False)
            listeners[place.name] = listener
        mine = {}
        for _ in range(CONNECTIONS):
            with inside(ready.client):
                one = stack.enter_context(socket.create_connection((ready.layout.service, ready.layout.port), 5))
            mine[one.getsockname()] = one
        time.sleep(SETTLED_S)
        found: dict[str, list[tuple[socket.socket, socket.socket]]] = {}
        for name, listener in listeners.items():
            found[name] = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    other, address = listener.accept()
                    found[name].append((mine[address], stack.enter_context(other)))
        yield found


def answers(pair: tuple[socket.socket, socket.socket]) -> bool:
    """Whether a byte gets to the server and another one back."""
    mine, theirs = pair
    try:
        for sender, receiver in ((mine, theirs), (theirs, mine)):
            sender.send(b".")
            receiver.settimeout(PATIENCE_S)
            if receiver.recv(1) != b".":
                return False
    except OSError:
        return False
    return True


def main() -> None:
    director, *overrides = sys.argv[1:]
    wanted = [f"director={director}", "topology.servers=3", *overrides]
    point = plan.plan(plan.load(plan.find("fig07")), overrides=wanted)[0]
    found: dict[str, Any] = {}
    with stage(point, parts_of(point), CommandLog()) as ready, connected(ready) as at:
        found["connections"] = {name: len(pairs) for name, pairs in at.items()}
        found["broken before"] = sum(not answers(pair) for pairs in at.values() for pair in pairs)
        gone, *rest = ready.layout.servers
        ready.parts.director.set_pool(ready.network, ready.layout, rest)
        time.sleep(SETTLED_S)
        found["broken"] = {name: sum(not answers(pair) for pair in pairs) for name, pairs in at.items()}
        found["gone"] = gone.name
    json.dump(found, sys.stdout)


main()
