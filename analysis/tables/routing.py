"""The tables of a routed network: when routes changed, and which subflows met another server because of that."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pyarrow as pa

from analysis.flows.addresses import Addresses
from analysis.flows.observation import Observation
from analysis.flows.rerouted import Rerouted, find_rerouted
from analysis.pcap.addresses import text
from analysis.tables.catalogue import TABLES
from testbed.base.errors import AnalysisError
from testbed.record.events import Event, changes
from testbed.record.routes import RouteChange

_NS = 1_000_000_000


def tabulate_routes(point: str, routes: Sequence[RouteChange], addresses: Addresses | None) -> pa.Table:
    """The table `routes`."""
    whose = _whose(addresses)
    return TABLES["routes"].of_rows(
        {
            "point": point,
            "t_s": each.t_s,
            "node": each.node,
            "is_first": each.is_first,
            "change": each.change,
            "destination": each.destination,
            "leads_to": next((name for name, address in whose.items() if address in _network(each)), None),
            "via": " ".join(each.via),
        }
        for each in routes
    )


def _whose(addresses: Addresses | None) -> dict[str, IPv4Address]:
    """The service address, and each server's own."""
    if addresses is None:
        return {}
    numbers = {"service": addresses.service, **addresses.unique}
    return {name: IPv4Address(number) for name, number in numbers.items()}


def _network(route: RouteChange) -> IPv4Network:
    try:
        return IPv4Network(route.destination)
    except ValueError as error:
        raise AnalysisError(f"routes.jsonl: {route.destination!r} is no destination") from error


def tabulate_rerouted(observed: Observation, connections: pa.Table, routes: Sequence[RouteChange]) -> pa.Table:
    """The table `rerouted`, of a point whose servers' packets were all captured."""
    known = observed.known
    found = find_rerouted(observed.packets, observed.traffic, known.captures, observed.servers)
    survived = dict(zip(connections["connection"].to_pylist(), connections["survived"].to_pylist(), strict=True))
    service = text(observed.addresses.service, 4, observed.packets.ipv6)
    moved = [each.t_s for each in routes if each.is_first and each.change == "set" and each.destination == service]
    happened = changes(known.events)
    connection, number, _ = observed.numbers
    rows = [
        _row(observed, each, _before(moved, observed, each), happened)
        | {
            "connection": int(connection[each.flow]),
            "subflow": int(number[each.flow]),
            "survived": survived.get(int(connection[each.flow])),
        }
        for each in found
    ]
    return TABLES["rerouted"].of_rows(rows)


def _before(moved: Sequence[float], observed: Observation, each: Rerouted) -> float | None:
    place = bisect_right(moved, (each.reached_ns - observed.start_ns) / _NS)
    return moved[place - 1] if place else None


def _row(observed: Observation, each: Rerouted, route_s: float | None, happened: Sequence[Event]) -> dict[str, Any]:
    reached_s = (each.reached_ns - observed.start_ns) / _NS
    place = bisect_right([event.t_s for event in happened], reached_s)
    event = happened[place - 1] if place else None
    times = {"sent_s": each.sent_ns, "arrived_s": each.arrived_ns, "left_s": each.left_ns, "reset_s": each.reset_ns}
    return {
        "point": observed.point,
        "client_port": int(observed.traffic.flows.client_port[each.flow]),
        "old_server": each.old,
        "new_server": each.new,
        "event": event and event.event,
        "event_t_s": event and event.t_s,
        "route_s": route_s,
        "kind": each.kind or None,
        "reached_s": reached_s,
        **{name: None if t_ns is None else (t_ns - observed.start_ns) / _NS for name, t_ns in times.items()},
    }
