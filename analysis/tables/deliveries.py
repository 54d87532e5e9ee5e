"""The table of deliveries: how long the bytes of each connection waited for those before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.in_order import waiting
from analysis.flows.observation import Observation
from analysis.pcap.columns import I64
from analysis.tables import TABLES


def tabulate_deliveries(observed: Observation) -> pa.Table:
    """The table `deliveries`, in order of connection; a direction without payload has no row."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    connection, _, leaders = observed.numbers
    groups = 2 * len(leaders)
    initial = np.zeros(len(connection), np.bool_)
    initial[leaders] = True
    flow = np.where(uniflow >= 0, uniflow >> 1, 0)
    found = waiting(observed.pieces, packets.time_ns, flow=flow, initial=initial, groups=groups)
    unmapped = _unmapped(observed, groups)
    chosen = np.flatnonzero((found.bytes > 0) | (unmapped > 0))
    waited = found.late_bytes[chosen] == 0
    columns: dict[str, Any] = {
        "point": [observed.point] * len(chosen),
        "connection": chosen >> 1,
        "sender": np.where(chosen & 1, "client", "server"),
        "bytes": found.bytes[chosen],
        "late_bytes": found.late_bytes[chosen],
        "lost_bytes": found.lost_bytes[chosen],
        "unmapped_bytes": unmapped[chosen],
        "wait_mean_s": np.ma.MaskedArray(found.byte_s[chosen] / np.maximum(found.late_bytes[chosen], 1), waited),
        "wait_most_s": np.ma.MaskedArray(found.longest_ns[chosen] / 1e9, waited),
        "wait_byte_seconds": found.byte_s[chosen],
        "behind_initial": np.ma.MaskedArray(
            found.behind_byte_s[chosen] / np.where(found.byte_s[chosen] > 0, found.byte_s[chosen], 1.0),
            found.byte_s[chosen] <= 0,
        ),
        "buffer_most": found.most_bytes[chosen],
    }
    return TABLES["deliveries"].of_columns(columns)


def _unmapped(observed: Observation, groups: int) -> I64:
    """Per connection and direction the payload of MPTCP without a mapping."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    connection, _, _ = observed.numbers
    carrying = (packets.payload_bytes > 0) & (uniflow >= 0)
    carrying[observed.pieces.carried.row] = False
    rows = np.flatnonzero(carrying)
    rows = rows[observed.traffic.flows.connection[uniflow[rows] >> 1] >= 0]
    group = connection[uniflow[rows] >> 1] * 2 + (uniflow[rows] & 1)
    return np.bincount(group, packets.payload_bytes[rows], minlength=groups).astype(np.int64)
