"""The tables of connections, subflows, RSTs and seconds of one point, or of captures that are no point.

Enters: an `Observation`. Leaves: Arrow tables as `analysis.tables.catalogue` declares them.
"""

from __future__ import annotations

import pyarrow as pa

from analysis.connection_table import tabulate_connections
from analysis.observation import Observation
from analysis.reset_table import tabulate_resets
from analysis.second_table import tabulate_seconds
from analysis.subflow_table import tabulate_subflows


def tabulate(observed: Observation) -> dict[str, pa.Table]:
    """The tables `connections`, `subflows`, `resets` and `seconds`."""
    return {
        "connections": tabulate_connections(observed),
        "subflows": tabulate_subflows(observed),
        "resets": tabulate_resets(observed),
        "seconds": tabulate_seconds(observed),
    }
