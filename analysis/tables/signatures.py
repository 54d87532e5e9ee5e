"""The table of signatures: every HMAC of a join or of an announced address."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.observation import Observation
from analysis.flows.signatures import find_signatures
from analysis.tables import TABLES


def tabulate_signatures(observed: Observation) -> pa.Table:
    """The table `signatures`, in order of time."""
    connection, subflow, _ = observed.numbers
    found = find_signatures(observed.packets, observed.traffic, observed.subflows)
    row = np.array([each.row for each in found], np.int64)
    of = observed.subflows.uniflow[row]
    columns: dict[str, Any] = {
        "point": [observed.point] * len(row),
        "connection": connection[of >> 1],
        "subflow": subflow[of >> 1],
        "t_s": observed.seconds(row),
        "sender": np.where(of & 1, "client", "server"),
        "what": [each.what for each in found],
        "verdict": [each.verdict for each in found],
    }
    return TABLES["signatures"].of_columns(columns)
