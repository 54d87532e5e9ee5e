"""Runs inside a guest: which of three servers IPVS chooses for connections of one client that stay open.

A case of standard input has overrides of Fig. 7; its result: the server by the client's port, and what IPVS reads back.
"""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mptcp_server_probe import answer

from experiments import plan
from experiments.composition import parts_of
from experiments.stage import Stage, stage
from testbed.net.netns import inside
from testbed.process import CommandLog

PORTS = range(20_000, 20_060)


def listen(ready: Stage, stack: ExitStack) -> None:
    """Each server says its name to whoever connects, and holds the connection."""
    held: list[socket.socket] = []
    for server in ready.servers:
        with inside(server.node):
            listener = stack.enter_context(socket.create_server(("0.0.0.0", ready.layout.port)))

        def greet(listener: socket.socket = listener, name: str = server.node.name) -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.send(name.encode())
                held.append(connection)

        threading.Thread(target=greet, daemon=True).start()


def chosen(ready: Stage, port: int, stack: ExitStack) -> str:
    """Who answers a connection from this port of the client; it stays open."""
    with inside(ready.client):
        connection = stack.enter_context(socket.socket())
    connection.settimeout(5)
    connection.bind((ready.layout.client_addresses[0], port))
    connection.connect((ready.layout.service, ready.layout.port))
    return connection.recv(16).decode()


def measure(case: dict[str, Any], _captures: Path) -> dict[str, Any]:
    overrides = ["topology.servers=3", *case["overrides"]]
    point = plan.plan(plan.load(plan.find("fig07")), overrides=overrides)[0]
    with ExitStack() as stack, stage(point, parts_of(point), CommandLog()) as ready:
        listen(ready, stack)
        found = [chosen(ready, port, stack) for port in PORTS]
        return {"chosen": found, "service": ready.settings["ipvs_service"], "servers": ready.settings["ipvs"]}


answer(measure)
