"""The table of DSS checksums: how many of each subflow and sender are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.checksums import find_checksums
from analysis.flows.observation import Observation
from analysis.tables import TABLES


def tabulate_checksums(observed: Observation) -> pa.Table:
    """The table `checksums`, in order of connection, subflow and sender."""
    connection, subflow, _ = observed.numbers
    found = find_checksums(observed.packets, observed.subflows.uniflow, observed.files)
    of = np.array([each.uniflow for each in found], np.int64)
    columns: dict[str, Any] = {
        "point": [observed.point] * len(found),
        "connection": connection[of >> 1],
        "subflow": subflow[of >> 1],
        "sender": np.where(of & 1, "client", "server"),
        "right": [each.right for each in found],
        "wrong": [each.wrong for each in found],
        "unknown": [each.unknown for each in found],
        "first_wrong_s": observed.seconds(np.array([each.first_wrong for each in found], np.int64)),
    }
    order = np.lexsort((of & 1 ^ 1, columns["subflow"], columns["connection"]))
    return TABLES["checksums"].of_columns(columns).take(order)
