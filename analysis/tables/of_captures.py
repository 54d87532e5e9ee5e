"""What the captures of one point say as tables, or captures that are no point: connections, subflows, RSTs and more.

Enters: an `Observation`. Leaves: Arrow tables as `analysis.tables.catalogue` declares them.
"""

from __future__ import annotations

import pyarrow as pa

from analysis.flows.observation import Observation
from analysis.tables.announcements import tabulate_announcements
from analysis.tables.checksums import tabulate_checksums
from analysis.tables.connections import tabulate_connections
from analysis.tables.delays import tabulate_delays
from analysis.tables.deliveries import tabulate_deliveries
from analysis.tables.progress import tabulate_progress
from analysis.tables.resets import tabulate_resets
from analysis.tables.retransmissions import tabulate_retransmissions
from analysis.tables.seconds import tabulate_seconds
from analysis.tables.signatures import tabulate_signatures
from analysis.tables.steps import tabulate_steps
from analysis.tables.subflows import tabulate_subflows


def tabulate(observed: Observation) -> dict[str, pa.Table]:
    """The tables of connections and subflows, of what was announced, reset, sent again and signed, and of time."""
    return {
        "connections": tabulate_connections(observed),
        "subflows": tabulate_subflows(observed),
        "announcements": tabulate_announcements(observed),
        "resets": tabulate_resets(observed),
        "seconds": tabulate_seconds(observed),
        "steps": tabulate_steps(observed),
        "progress": tabulate_progress(observed),
        "delays": tabulate_delays(observed),
        "deliveries": tabulate_deliveries(observed),
        "retransmissions": tabulate_retransmissions(observed),
        "signatures": tabulate_signatures(observed),
        "checksums": tabulate_checksums(observed),
    }
