"""What each change did to the routes of a routed network, and to the downloads: `PointSummary.reroutings`.

Enters: the events, the routes' changes, the tables of connections and of rerouted subflows. Leaves: a `Rerouting` for
each change, in order; none where no routes were recorded. What *broken* and *joined* mean says
`analysis.summary.balancing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.rerouted import ANSWER_TO_REPEAT, OWN_REPEAT
from analysis.pcap.addresses import text
from analysis.summary.balancing import broken_at_s, changes_of, has_joined, is_open_at
from analysis.summary.model import PointSummary, Rerouting
from analysis.summary.point_tables import Sources
from testbed.record.events import Event
from testbed.record.routes import RouteChange

Row = Mapping[str, Any]


def with_reroutings(summary: PointSummary, sources: Sources, tables: Mapping[str, pa.Table]) -> PointSummary:
    """The summary with `reroutings`; as it is where no routes were recorded."""
    addresses, window = sources.addresses, sources.window
    if not sources.routes or addresses is None or window is None:
        return summary
    service = text(addresses.service, 4, ())
    unique = {name: text(address, 4, ()) for name, address in addresses.unique.items()}
    connections, rerouted = tables["connections"].to_pylist(), tables["rerouted"].to_pylist()
    made = changes_of(sources.events)
    ends_s = [*(change.t_s for change in made[1:]), np.inf]
    found = []
    for change, end_s in zip(made, ends_s, strict=True):
        routes = [each for each in sources.routes if each.is_first and change.t_s <= each.t_s < end_s]
        strays = [row for row in rerouted if change.t_s <= row["reached_s"] < end_s]
        first = _first(change, [each for each in routes if each.destination == service])
        when = partial(_upload_broken_at_s if sources.point.is_upload else _download_broken_at_s, sources)
        broken = [row for row in connections if (at_s := when(row)) is not None and at_s < end_s]
        fate = _transfers(change, change.t_s + (first or 0.0), connections, broken)
        own = unique.get(fate.server)
        of_own = [each for each in routes if own and _leads_to(each, own)]
        found.append(_with_strays(replace(fate, rerouted_s=first, unique_rerouted_s=_first(change, of_own)), strays))
    return replace(summary, reroutings=tuple(found))


def _transfers(change: Event, at_s: float, connections: Sequence[Row], broken: Sequence[Row]) -> Rerouting:
    """What was under way when the route moved, and what of it is among the `broken` ones."""
    opened = [row for row in connections if row["syn_s"] is not None and row["syn_s"] < at_s and row["server"]]
    server = max(opened, key=lambda row: row["syn_s"])["server"] if opened else ""
    under_way = [row for row in opened if row["server"] == server and is_open_at(row, at_s)]
    broken = [row for row in under_way if row in broken]
    return Rerouting(
        t=change.t_s,
        event=change.event,
        link=change.link,
        server=server,
        under_way=len(under_way),
        joined=sum(has_joined(row, at_s) for row in under_way),
        broken=len(broken),
        broken_joined=sum(has_joined(row, at_s) for row in broken),
    )


def _download_broken_at_s(sources: Sources, row: Row) -> float | None:
    """When a download broke, or stood still."""
    duration_s = sources.window.duration_s if sources.window else 0.0
    return broken_at_s(row, duration_s, sources.point.object_bytes)


def _upload_broken_at_s(_sources: Sources, row: Row) -> float | None:
    """When an upload was reset; nothing new comes to the client in it, whether it goes on or not."""
    return None if row["survived"] else row["end_s"]


def _with_strays(found: Rerouting, strays: Sequence[Row]) -> Rerouting:
    waited = sorted(row["left_s"] - row["route_s"] for row in strays if row["left_s"] and row["route_s"] is not None)
    lags = [row["left_s"] - row["arrived_s"] for row in strays if row["arrived_s"] is not None]
    kinds = [row["kind"] for row in strays]
    return replace(
        found,
        strays=len(strays),
        answered=sum(row["reset_s"] is not None for row in strays),
        explained=sum(kind is not None for kind in kinds),
        repeats=sum(kind in (ANSWER_TO_REPEAT, OWN_REPEAT) for kind in kinds),
        waited_s=(waited[0], median(waited), waited[-1]) if waited else None,
        lag_s=max(lags, default=None),
    )


def _first(change: Event, routes: Sequence[RouteChange]) -> float | None:
    return round(min(each.t_s for each in routes) - change.t_s, 6) if routes else None


def _leads_to(route: RouteChange, address: str) -> bool:
    return ip_address(address) in ip_network(route.destination, strict=False)
