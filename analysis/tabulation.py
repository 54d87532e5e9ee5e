"""What the captures of one point say as tables, or captures that are no point: connections, subflows, RSTs and more.

Enters: an `Observation`. Leaves: Arrow tables as `analysis.tables.catalogue` declares them.
"""

from __future__ import annotations

import pyarrow as pa

from analysis.announcement_table import tabulate_announcements
from analysis.connection_table import tabulate_connections
from analysis.observation import Observation
from analysis.reset_table import tabulate_resets
from analysis.second_table import tabulate_seconds
from analysis.subflow_table import tabulate_subflows


def tabulate(observed: Observation) -> dict[str, pa.Table]:
    """The tables `connections`, `subflows`, `announcements`, `resets` and `seconds`."""
    return {
        "connections": tabulate_connections(observed),
        "subflows": tabulate_subflows(observed),
        "announcements": tabulate_announcements(observed),
        "resets": tabulate_resets(observed),
        "seconds": tabulate_seconds(observed),
    }
