"""The catalogue of tables that a run leaves: every column with its type, unit and meaning. The one source of both the
Parquet metadata and the documentation in README.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.tables.director_catalogue import DIRECTORS, STATE
from analysis.tables.kernel_catalogue import KERNEL_MPTCP, KERNEL_PROBES, KERNEL_RESETS, KERNEL_RETRANSMISSIONS
from analysis.tables.point_catalogue import EVENTS, PERCENTILES, POINTS, RECONCILIATION, REQUESTS, SAMPLES
from analysis.tables.reset_catalogue import CAUSES, RESETS
from analysis.tables.routing_catalogue import REROUTED, ROUTES
from analysis.tables.schema import Table
from analysis.tables.step_catalogue import PROGRESS, STEPS
from analysis.tables.timing_catalogue import CHECKSUMS, DELAYS, DELIVERIES, RETRANSMISSIONS, SIGNATURES
from analysis.tables.traffic_catalogue import ANNOUNCEMENTS, CONNECTIONS, PACKETS, SECONDS, SUBFLOWS

__all__ = ["CAUSES", "PACKETS", "TABLES"]

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        POINTS, CONNECTIONS, SUBFLOWS, ANNOUNCEMENTS, RESETS, SECONDS, SAMPLES, EVENTS, REQUESTS, PERCENTILES,
        RECONCILIATION, DIRECTORS, STATE, STEPS, PROGRESS, DELAYS, DELIVERIES, RETRANSMISSIONS,
        SIGNATURES, CHECKSUMS, KERNEL_RESETS, KERNEL_RETRANSMISSIONS, KERNEL_PROBES, KERNEL_MPTCP,
        ROUTES, REROUTED,
    )
}  # fmt: skip
"""The tables that every run has, by name; `PACKETS` is not one of them, because of its size."""
