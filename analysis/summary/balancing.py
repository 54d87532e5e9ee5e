"""How well a point's service was balanced, and what its changes broke: the figures of `PointSummary.balancing`.

Enters: the table of connections, the events, the client's packets. Leaves: `Balancing`.

* A download is *broken* if its connection was reset or refused, got no answer, was closed before all of the object
  had come (as when a proxy is killed), or stood still: it was open when the workload ended, and nothing new had come
  for the last `STALLED_S` seconds. Each belongs to the last change before it ended, or stood still. What changes in
  the first `SETTING_S` seconds is the setting, and no change.
* A download *had joined* at a change if its client had the fourth ACK of a join by then, or data on it: until that the
  server may still refuse what it answered with a SYN+ACK, as it does when its program has closed the connection.
* *Imbalance* is the largest share of a server over the mean of those in the pool, of the connections that were opened
  before the first change: 1 is even.
* *Recovery* is the time from the first change until the goodput of a whole second is back at `RECOVERED` of what it
  was: of the least of the whole seconds in the `BEFORE_S` seconds before, because without any change it varies with the
  downloads' beginnings. 0: it never fell below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.series import Window
from analysis.summary.model import Balancing, PointSummary, ServerChange
from analysis.summary.point_tables import Sources
from testbed.record.events import Event, changes

STALLED_S = 3.0
BEFORE_S = 3.0
RECOVERED = 0.95
SETTING_S = 1.0

_BINS_PER_S = 100
_NOTICED_S = 0.5
"""What stands still because of a change may have got its last byte a little before that."""


def balancing(
    connections: pa.Table,
    servers: Sequence[str],
    events: Sequence[Event],
    window: Window,
    arrived: tuple[NDArray[np.int64], NDArray[np.int64]],
    object_bytes: int = 0,
) -> Balancing:
    """The figures of a point; `arrived` are times in ns and payload bytes of what came to the client.

    A download has `object_bytes`; 0: there are none.
    """
    made = changes_of(events)
    first_s = made[0].t_s if made else window.duration_s
    rows = connections.select(_COLUMNS).to_pylist()
    opened = [row for row in rows if row["syn_s"] is not None and 0 <= row["syn_s"] < first_s]
    out = {event.server for event in events if event.event == "server-removed" and event.t_s < SETTING_S}
    by_server = {name: [row for row in opened if row["server"] == name] for name in servers if name not in out}
    unnamed = sum(row["server"] is None for row in opened)
    broken = [(when, row) for row in rows if (when := broken_at_s(row, window.duration_s, object_bytes)) is not None]
    under_way = [row for row in rows if is_open_at(row, first_s)]
    ends_s = [*(change.t_s for change in made[1:]), np.inf]
    return Balancing(
        changes=tuple(
            _of_change(change, [row for when, row in broken if change.t_s <= when < end_s])
            for change, end_s in zip(made, ends_s, strict=False)
        ),
        broken=len(broken),
        broken_before=sum(when < first_s for when, _ in broken) if made else len(broken),
        under_way=len(under_way) if made else None,
        joined=sum(has_joined(row, first_s) for row in under_way) if made else None,
        imbalance_connections=None if unnamed else _imbalance([len(each) for each in by_server.values()]),
        imbalance_bytes=None
        if unnamed
        else _imbalance([sum(row["bytes_to_client"] for row in each) for each in by_server.values()]),
        recovery_s=recovery_s(*arrived, window=window, at_s=first_s) if made else None,
    )


def with_balancing(summary: PointSummary, sources: Sources, tables: Mapping[str, pa.Table]) -> PointSummary:
    """The summary with `balancing`; as it is where nothing was recorded at the directors."""
    recorded, packets, traffic, window = sources.recorded, sources.packets, sources.traffic, sources.window
    if recorded is None or packets is None or traffic is None or window is None or sources.addresses is None:
        return summary
    rows = np.flatnonzero(traffic.sides.to_client)
    found = balancing(
        tables["connections"],
        servers=list(sources.addresses.unique),
        events=sources.events,
        window=window,
        arrived=(packets.time_ns[rows], packets.payload_bytes[rows].astype(np.int64)),
        object_bytes=0 if sources.point.is_upload else sources.point.object_bytes,
    )
    passed = tables["directors"].to_pylist()
    to_servers, to_clients = (
        sum(row["captured_bytes"] for row in passed if row["direction"] == direction)
        for direction in ("to-servers", "to-clients")
    )
    found = replace(
        found,
        director_bytes_to_servers=to_servers,
        director_bytes_to_clients=to_clients,
        director_entries=recorded.peak(),
    )
    return replace(summary, balancing=found)


_COLUMNS = [
    "join_confirmed_s",
    "server",
    "syn_s",
    "last_new_data_s",
    "end",
    "end_s",
    "survived",
    "bytes_to_client",
    "bytes_to_server",
    "distinct_to_client",
]


def changes_of(events: Sequence[Event]) -> list[Event]:
    """What the timetable did; what a director's health check made of it is no change of its own.

    What it did in the first moments, before anything was under way, belongs to the setting.
    """
    return [event for event in changes(events) if not event.by and event.t_s >= SETTING_S]


def broken_at_s(row: Mapping[str, Any], duration_s: float, object_bytes: int) -> float | None:
    """When a download broke; None: it did not."""
    syn_s = row["syn_s"]
    last_s = max(each for each in (row["last_new_data_s"], syn_s, 0.0) if each is not None)
    is_open = row["end"] in ("open", "unanswered") or (row["end_s"] is not None and row["end_s"] > duration_s)
    if is_open:
        return last_s + _NOTICED_S if duration_s - last_s > STALLED_S else None
    is_short = row["end"] == "closed" and row["bytes_to_server"] and row["distinct_to_client"] < object_bytes
    return None if row["survived"] and not is_short else last_s if row["end_s"] is None else float(row["end_s"])


def _of_change(change: Event, broken: Sequence[Mapping[str, Any]]) -> ServerChange:
    """A change, with what broke between it and the next one."""
    old = [row for row in broken if row["syn_s"] is None or row["syn_s"] < change.t_s]
    return ServerChange(
        t=change.t_s,
        event=change.event,
        node=change.server or change.director,
        broken=len(old),
        broken_joined=sum(has_joined(row, change.t_s) for row in old),
        broken_new=len(broken) - len(old),
    )


def has_joined(row: Mapping[str, Any], t_s: float) -> bool:
    """Whether a second subflow was confirmed by then."""
    return row["join_confirmed_s"] is not None and row["join_confirmed_s"] < t_s


def is_open_at(row: Mapping[str, Any], t_s: float) -> bool:
    """Whether a download was under way."""
    return row["syn_s"] is not None and row["syn_s"] < t_s and (row["end_s"] is None or row["end_s"] >= t_s)


def _imbalance(amounts: Sequence[int]) -> float | None:
    return max(amounts) * len(amounts) / sum(amounts) if sum(amounts) else None


def recovery_s(times_ns: NDArray[np.int64], payload: NDArray[np.int64], *, window: Window, at_s: float) -> float | None:
    """Seconds from `at_s` until the goodput is back, in steps of 10 ms; None: not while the workload ran."""
    place = (times_ns - window.start_ns) * _BINS_PER_S // 1_000_000_000
    count = round(window.duration_s * _BINS_PER_S)
    inside = (place >= 0) & (place < count)
    total = np.concatenate(([0], np.cumsum(np.bincount(place[inside], payload[inside], minlength=count))))
    at = round(at_s * _BINS_PER_S)
    begin = max(at - round(BEFORE_S * _BINS_PER_S), 0)
    if at - begin < _BINS_PER_S or at + _BINS_PER_S > count:
        return None
    seconds = total[_BINS_PER_S:] - total[:-_BINS_PER_S]  # each by its first moment
    wanted, rates = RECOVERED * seconds[begin : at - _BINS_PER_S + 1].min(), seconds[at:]
    back = np.flatnonzero(rates >= wanted)
    if not len(back):
        return None
    # A moment before the fall is not the recovery from it.
    low = np.flatnonzero(rates < wanted)
    if not len(low):
        return 0.0
    after = back[back > low[0]]
    return float(after[0]) / _BINS_PER_S if len(after) else None
