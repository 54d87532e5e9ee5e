"""The table of progress: which bytes of its connection each subflow carried in each step, as a plot of sequence numbers
shows them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.observation import DIRECTIONS, Observation
from analysis.pcap.columns import Rows
from analysis.tables import TABLES
from analysis.tables.steps import step_ns, step_of

MOST_CONNECTIONS = 4000
"""Of more connections than this every n-th is in the table."""

_NS = 1_000_000_000
_NONE = np.iinfo(np.int64).max


def tabulate_progress(observed: Observation) -> pa.Table:
    """The table `progress`."""
    payload, repeated, uniflow, rows = _chosen(observed)
    connection, subflow, _ = observed.numbers
    flow = uniflow >> 1
    first = _places(observed, rows, uniflow)
    end = np.where(first == _NONE, -1, first + payload)
    # Connection, subflow and step of a packet in one number.
    step, _ = step_of(observed)
    of_packet = step[rows]
    steps, subflows = int(of_packet.max(initial=0)) + 1, int(subflow.max(initial=0)) + 1
    key = (connection[flow] * subflows + subflow[flow]) * steps + of_packet
    groups, chosen, group = np.unique(key, return_index=True, return_inverse=True)
    lowest, highest = np.full(len(groups), _NONE, np.int64), np.full(len(groups), -1, np.int64)
    np.minimum.at(lowest, group, first)
    np.maximum.at(highest, group, end)

    def total(values: NDArray[np.int64] | None) -> NDArray[np.int64]:
        return np.asarray(np.bincount(group, values, minlength=len(groups)), np.int64)

    columns = {
        "point": [observed.point] * len(groups),
        "connection": connection[flow[chosen]],
        "subflow": subflow[flow[chosen]],
        "step": of_packet[chosen],
        "step_s": np.full(len(groups), step_ns(observed) / _NS),
        "direction": np.array(DIRECTIONS)[uniflow[chosen] % 2],
        "packets": total(None),
        "payload_bytes": total(payload),
        "repeated_bytes": total(repeated),
        "first_byte": np.ma.MaskedArray(lowest, lowest == _NONE),
        "end_byte": np.ma.MaskedArray(highest, lowest == _NONE),
    }
    return TABLES["progress"].of_columns(columns)


def _chosen(observed: Observation) -> tuple[NDArray[np.int64], NDArray[np.int64], Rows, Rows]:
    """Payload, repeated bytes, uniflow and row of each packet that the table is made of."""
    space, sent = observed.subflows.space, observed.subflows.payload
    connection, _, leaders = observed.numbers
    member = connection >= 0
    of_connection = np.zeros((len(leaders), 2), np.int64)
    np.add.at(of_connection, connection[member], sent[member])
    main = (of_connection[:, 1] > of_connection[:, 0]).astype(np.int64)
    every = -(-len(leaders) // MOST_CONNECTIONS) or 1
    _, within = step_of(observed)
    mine = connection[space.index.uniflow >> 1]
    taken = (space.payload > 0) & (mine >= 0) & (mine % every == 0) & within[space.index.rows]
    taken[taken] = main[mine[taken]] == space.index.uniflow[taken] % 2
    return space.payload[taken], space.repeated[taken], space.index.uniflow[taken], space.index.rows[taken]


def _places(observed: Observation, rows: Rows, uniflow: Rows) -> NDArray[np.int64]:
    """Where in its connection each packet's payload begins, `_NONE` where no mapping tells it.

    From the lowest of the connection on, which may not be the first.
    """
    carried, connection = observed.pieces.carried, observed.numbers[0]
    place = np.full(len(observed.packets), -1, np.int64)
    place[carried.row] = carried.cover.edges[carried.cover.first]
    place = place[rows]
    known, of = place >= 0, connection[uniflow >> 1]
    lowest = np.full(int(of.max(initial=-1)) + 1, _NONE, np.int64)
    np.minimum.at(lowest, of[known], place[known])
    return np.where(known, place - lowest[of], _NONE)
