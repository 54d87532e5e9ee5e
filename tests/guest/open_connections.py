"""Connections through a director to servers that are sockets of this process: which come where, and which break.

Each connection sends a byte and gets one back when asked whether it `answers`.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

from experiments import plan
from experiments.composition import parts_of
from experiments.stage import Stage, stage
from testbed.base.families import family_of
from testbed.net.netns import inside
from testbed.process import CommandLog

Pair = tuple[socket.socket, socket.socket]

CONNECTIONS = 300
PATIENCE_S = 0.2
SETTLED_S = 0.1


def listening(ready: Stage) -> socket.socket:
    """A listener on any address of the service's family."""
    if family_of(ready.layout.service) == "ipv6":
        return socket.create_server(("::", ready.layout.port), family=socket.AF_INET6, backlog=1024)
    return socket.create_server(("0.0.0.0", ready.layout.port), backlog=1024)


@contextlib.contextmanager
def connected(ready: Stage) -> Iterator[dict[str, list[Pair]]]:
    """Connections to the service, both ends, by the server that each came to."""
    with contextlib.ExitStack() as stack:
        listeners = {}
        for place in ready.layout.servers:
            with inside(ready.network[place.name]):
                listener = stack.enter_context(listening(ready))
            listener.setblocking(False)
            listeners[place.name] = listener
        mine = {}
        for _ in range(CONNECTIONS):
            with inside(ready.client):
                one = stack.enter_context(socket.create_connection((ready.layout.service, ready.layout.port), 5))
            mine[one.getsockname()] = one
        time.sleep(SETTLED_S)
        found: dict[str, list[Pair]] = {}
        for name, listener in listeners.items():
            found[name] = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    other, address = listener.accept()
                    found[name].append((mine[address], stack.enter_context(other)))
        yield found


def answers(pair: Pair) -> bool:
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


@contextlib.contextmanager
def staged(director: str, *overrides: str) -> Iterator[Stage]:
    """Fig. 7 with three servers and this director, before any workload."""
    wanted = [f"director={director}", "topology.servers=3", *overrides]
    point = plan.plan(plan.load(plan.find("fig07")), overrides=wanted)[0]
    with stage(point, parts_of(point), CommandLog()) as ready:
        yield ready
