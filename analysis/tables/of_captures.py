"""What the captures of one point say as tables, or captures that are no point: connections, subflows, RSTs and more.

Enters: an `Observation`. Leaves: Arrow tables as `analysis.tables.catalogue` declares them.
"""

from __future__ import annotations

import pyarrow as pa

from analysis.flows.observation import Observation
from analysis.tables.announcements import tabulate_announcements
from analysis.tables.connections import tabulate_connections
from analysis.tables.progress import tabulate_progress
from analysis.tables.resets import tabulate_resets
from analysis.tables.seconds import tabulate_seconds
from analysis.tables.steps import tabulate_steps
from analysis.tables.subflows import tabulate_subflows


def tabulate(observed: Observation) -> dict[str, pa.Table]:
    """The tables `connections`, `subflows`, `announcements`, `resets`, `seconds`, `steps` and `progress`."""
    return {
        "connections": tabulate_connections(observed),
        "subflows": tabulate_subflows(observed),
        "announcements": tabulate_announcements(observed),
        "resets": tabulate_resets(observed),
        "seconds": tabulate_seconds(observed),
        "steps": tabulate_steps(observed),
        "progress": tabulate_progress(observed),
    }
