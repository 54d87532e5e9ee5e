"""The table of seconds: packets, bytes and RSTs per path and direction.

A point's workload is as long as was planned, and each of its seconds has a row (unless that makes millions). Captures
from anywhere may have a gap of years, by their clock at least: their table has rows for seconds with packets only, so
that it never has more rows than there are packets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.observation import DIRECTIONS, PATHS, Observation
from analysis.flows.paths import PAST_DIRECTOR, UNIQUE, VIA_DIRECTOR
from analysis.pcap import RST
from analysis.tables import TABLES

_NS = 1_000_000_000
_MOST_EMPTY_ROWS = 1_000_000


def tabulate_seconds(observed: Observation) -> pa.Table:
    """The table `seconds`."""
    packets, sides = observed.packets, observed.traffic.sides
    last_ns = observed.last_ns
    whole = (last_ns - observed.start_ns + 1000) // _NS
    count = -(-(last_ns - observed.start_ns) // _NS) if last_ns > observed.start_ns else 1
    second = (packets.time_ns - observed.start_ns) // _NS
    server = np.where(sides.to_client, packets.src, packets.dst).astype(np.int64)
    names = {address: name for name, address in observed.addresses.unique.items()}
    inside = np.flatnonzero((sides.to_client | sides.from_client) & (second >= 0) & (packets.time_ns <= last_ns))
    # A packet at the very end belongs to the last second.
    second = np.minimum(second[inside], count - 1)
    path = sides.path[inside]
    label = np.where(path == PAST_DIRECTOR, server[inside], -1 - path.astype(np.int64))
    is_unique = (observed.traffic.flows.kind == UNIQUE).any()
    labels = np.unique(np.concatenate([label, [-1 - VIA_DIRECTOR], sorted(names) if is_unique else []]))
    labels = labels.astype(np.int64)
    # A row's number is label, direction and second in one.
    number = np.searchsorted(labels, label) * 2 + sides.from_client[inside]
    if observed.end_ns is not None and len(labels) * 2 * count <= _MOST_EMPTY_ROWS:
        group, groups = number * count + second, len(labels) * 2 * count
        each_second, each_number = (
            np.tile(np.arange(count), 2 * len(labels)),
            np.repeat(np.arange(len(labels) * 2), count),
        )
    else:
        seconds, place = np.unique(second, return_inverse=True)
        busy, group = np.unique(number * len(seconds) + place, return_inverse=True)
        groups = len(busy)
        each_second, each_number = seconds[busy % max(len(seconds), 1)], busy // max(len(seconds), 1)

    def total(values: NDArray[Any] | None) -> NDArray[np.int64]:
        return np.asarray(np.bincount(group, values, minlength=groups), np.int64)

    def of_label(found: Sequence[str | None]) -> list[str | None]:
        return [found[each] for each in (each_number // 2).tolist()]

    paths = [PATHS[-1 - label_] if label_ < 0 else "past" for label_ in labels.tolist()]
    columns = {
        "point": [observed.point] * groups,
        "second": each_second,
        "path": of_label(paths),
        "server": of_label([names.get(label_) if label_ >= 0 else None for label_ in labels.tolist()]),
        "direction": [DIRECTIONS[direction] for direction in (each_number % 2).tolist()],
        "whole": each_second < whole,
        "packets": total(None),
        "payload_bytes": total(packets.payload_bytes[inside]),
        "ip_bytes": total(packets.ip_bytes[inside]),
        "resets": total((packets.flags[inside] & RST) != 0),
    }
    return TABLES["seconds"].of_columns(columns)
