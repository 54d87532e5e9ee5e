"""The table of retransmissions: on the same subflow, and of bytes that another subflow has carried (reinjections)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.observation import Observation
from analysis.flows.retransmissions import KINDS
from analysis.tables import TABLES


def tabulate_retransmissions(observed: Observation) -> pa.Table:
    """The table `retransmissions`, in order of time."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    connection, subflow, _ = observed.numbers
    again, other = observed.retransmissions, observed.reinjections
    known = np.flatnonzero(connection[again.uniflow >> 1] >= 0)
    row = np.concatenate([again.row[known], other.row])
    before = np.concatenate([again.before_row[known], other.before_row])
    order = np.argsort(row, kind="stable")
    row, before = row[order], before[order]
    of = uniflow[row]
    after = np.where(before >= 0, packets.time_ns[row] - packets.time_ns[np.maximum(before, 0)], 0)
    silent = np.concatenate([again.silent_ns[known], np.zeros(len(other.row), np.int64)])[order]
    is_other = np.concatenate([np.zeros(len(known), np.bool_), np.ones(len(other.row), np.bool_)])[order]
    useful = np.concatenate([np.full(len(known), -1), other.useful])[order]
    columns: dict[str, Any] = {
        "point": [observed.point] * len(row),
        "connection": connection[of >> 1],
        "subflow": subflow[of >> 1],
        "sender": np.where(of & 1, "client", "server"),
        "t_s": observed.seconds(row),
        "bytes": np.concatenate([again.repeated[known], other.bytes])[order],
        "kind": np.concatenate(
            [np.array(KINDS)[again.kind[known]].astype(object), np.full(len(other.row), "reinjection", object)]
        )[order],
        "trigger": np.ma.MaskedArray(
            np.concatenate([np.array(KINDS)[again.trigger[known]].astype(object), np.full(len(other.row), "", object)])[
                order
            ],
            is_other,
        ),
        "after_s": np.ma.MaskedArray(after / 1e9, before < 0),
        "silent_s": np.ma.MaskedArray(silent / 1e9, is_other),
        "useful": np.ma.MaskedArray(useful == 1, useful < 0),
    }
    return TABLES["retransmissions"].of_columns(columns)
