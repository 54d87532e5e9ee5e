"""The routes of a point's routers while it is measured: when a routing daemon changed which of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from experiments.record import Events
from experiments.stage import Stage
from testbed.net import routing
from testbed.network import WORK
from testbed.record import routes
from testbed.record.routes import RouteChange
from testbed.tools import route_monitor


@contextlib.contextmanager
def watching_routes(stage: Stage, events: Events, out: Path) -> Iterator[None]:
    """Watch every router until the block ends; what changed since the workload's start (`events`) is in `out` then."""
    servers = {server.node.name for server in stage.servers}
    ends = [end.node for link in stage.layout.routed for end in link.ends]
    said = {name: WORK / f"routes-{name}.txt" for name in sorted({*ends} - servers)}
    with ExitStack() as stack:
        for name, file in said.items():
            stack.enter_context(route_monitor.watching(stage.network[name], file, stage.network.log))
        there = [each for name in said for each in _there(stage, name)]
        yield
    changes = [
        RouteChange(
            t=round(seen.epoch_s - events.started_s, 6),
            node=name,
            is_first=name == stage.layout.director,
            change="deleted" if seen.deleted else "set",
            destination=seen.destination,
            via=seen.via,
        )
        for name, file in said.items()
        for seen in route_monitor.read(file)
        if seen.epoch_s >= events.started_s
    ]
    changes.sort(key=lambda change: change.t_s)
    (out / routes.FILE).write_text("".join(change.line() for change in (*there, *changes)))


def _there(stage: Stage, name: str) -> Iterator[RouteChange]:
    """A router's routes to the service, to each server and to the client."""
    layout = stage.layout
    for address in (layout.service, *(server.unique for server in stage.servers), *layout.client_addresses):
        via = routing.next_hop(stage.network[name], address)
        is_first = name == layout.director
        yield RouteChange(t=0.0, node=name, is_first=is_first, change="there", destination=address, via=(via,))
