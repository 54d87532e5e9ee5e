"""What each change did to the routes of a routed network, and to the downloads: `PointSummary.reroutings`.

Enters: the events, the tables of connections, of routes and of rerouted subflows. Leaves: a `Rerouting` for
each change, in order; none where no routes were recorded. What *broken* and *joined* mean says
`analysis.summary.balancing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.rerouted import ANSWER_TO_REPEAT, OWN_REPEAT
from analysis.summary.balancing import broken_at_s, changes_of, has_joined, is_open_at
from analysis.summary.model import PointSummary, Rerouting
from analysis.summary.point_tables import Sources
from testbed.record.events import Event

Row = Mapping[str, Any]


def with_reroutings(summary: PointSummary, sources: Sources, tables: Mapping[str, pa.Table]) -> PointSummary:
    """The summary with `reroutings`; as it is where no routes were recorded."""
    window = sources.window
    if not sources.routes or sources.addresses is None or window is None:
        return summary
    broken_s = _upload_broken_at_s
    if not sources.point.is_upload:
        broken_s = partial(broken_at_s, duration_s=window.duration_s, object_bytes=sources.point.object_bytes)
    fates = [(row, broken_s(row)) for row in tables["connections"].to_pylist()]
    routes = [row for row in tables["routes"].to_pylist() if row["is_first"]]
    rerouted = tables["rerouted"].to_pylist()
    made = changes_of(sources.events)
    ends_s = [*(change.t_s for change in made[1:]), np.inf]
    found = []
    for change, end_s in zip(made, ends_s, strict=True):
        moved = [row for row in routes if change.t_s <= row["t_s"] < end_s]
        strays = [row for row in rerouted if change.t_s <= row["reached_s"] < end_s]
        first = _first(change, moved, "service")
        fate = _transfers(change, change.t_s + (first or 0.0), fates, end_s)
        own = _first(change, moved, fate.server) if fate.server else None
        found.append(_with_strays(replace(fate, rerouted_s=first, unique_rerouted_s=own), strays))
    return replace(summary, reroutings=tuple(found))


def _transfers(change: Event, at_s: float, fates: Sequence[tuple[Row, float | None]], end_s: float) -> Rerouting:
    """What was under way when the route moved, and what of it broke until `end_s`."""
    opened = [each for each in fates if each[0]["syn_s"] is not None and each[0]["syn_s"] < at_s and each[0]["server"]]
    server = max((row for row, _ in opened), key=lambda row: row["syn_s"])["server"] if opened else ""
    under_way = [(row, when) for row, when in opened if row["server"] == server and is_open_at(row, at_s)]
    broken = [row for row, when in under_way if when is not None and when < end_s]
    return Rerouting(
        t=change.t_s,
        event=change.event,
        link=change.link,
        server=server,
        under_way=len(under_way),
        joined=sum(has_joined(row, at_s) for row, _ in under_way),
        broken=len(broken),
        broken_joined=sum(has_joined(row, at_s) for row in broken),
    )


def _upload_broken_at_s(row: Row) -> float | None:
    """When an upload was reset; nothing new comes to the client in it, whether it goes on or not."""
    return None if row["survived"] else row["end_s"]


def _with_strays(found: Rerouting, strays: Sequence[Row]) -> Rerouting:
    known = [row for row in strays if row["left_s"] is not None and row["route_s"] is not None]
    waited = sorted(row["left_s"] - row["route_s"] for row in known)
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


def _first(change: Event, moved: Sequence[Row], whose: str) -> float | None:
    """How long after a change the first of these routes moved that leads to the service, or to a server."""
    times_s = [row["t_s"] for row in moved if row["leads_to"] == whose]
    return round(min(times_s) - change.t_s, 6) if times_s else None
