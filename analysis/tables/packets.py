"""The table of packets: one row each, for sequence-number plots and for readers with tools of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.observation import DIRECTIONS, Observation, path_names, place_names, tunnel_names
from analysis.flows.reinjection import data_sequence_numbers
from analysis.pcap.tables import DSS_ACK
from analysis.tables import PACKETS
from analysis.tables.packet_timing import timing_columns


def tabulate_packets(observed: Observation, connection: int | None = None) -> pa.Table:
    """The packets of the client's flows in order of time, or those of one connection (its number in `connections`)."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    number, subflow, _ = observed.numbers
    flow = uniflow >> 1
    chosen = (uniflow >= 0) & (number[flow] >= 0)
    if connection is not None:
        chosen &= number[flow] == connection
    rows = np.flatnonzero(chosen)
    of = flow[rows]
    mapped, dsn = data_sequence_numbers(packets, uniflow)
    data_ack = packets.dss.first("data_ack", rows) & np.uint64(0xFFFFFFFF)
    columns: dict[str, Any] = {
        "point": [observed.point] * len(rows),
        "t_s": observed.seconds(rows),
        "interface": place_names(packets, rows),
        "tunnel": tunnel_names(packets.tunnel[rows]),
        "frame": packets.frame[rows],
        "connection": number[of],
        "subflow": subflow[of],
        "path": path_names(observed.traffic.sides.path[rows]),
        "direction": np.array(DIRECTIONS)[uniflow[rows] & 1],
        "flags": packets.flags[rows],
        "seq": packets.seq[rows],
        "ack": packets.ack[rows],
        "window": packets.window[rows],
        "payload_bytes": packets.payload_bytes[rows],
        "dsn": np.ma.MaskedArray(*_spread(rows, mapped, dsn, len(packets))),
        "ip_bytes": packets.ip_bytes[rows],
        "data_ack": np.ma.MaskedArray(data_ack, (packets.dss.first("flags", rows) & DSS_ACK) == 0),
    }
    return PACKETS.of_columns(columns | timing_columns(observed, rows))


def _spread(rows: Any, mapped: Any, dsn: Any, packets: int) -> tuple[Any, Any]:
    """The data sequence number of each of `rows`, and where there is none."""
    every, missing = np.zeros(packets, np.int64), np.ones(packets, np.bool_)
    every[mapped], missing[mapped] = dsn, False
    return every[rows], missing[rows]
