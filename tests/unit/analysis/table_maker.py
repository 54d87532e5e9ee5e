"""Hand-made tables of a run for the figures: the rows that a test gives, in tables that are empty otherwise."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from analysis.tables import TABLES

POINT: dict[str, Any] = {
    "point": "p", "experiment": "fig14", "title": "Downloads", "topology": "anycast", "variant": "", "condition": "",
    "service_path": "anycast address", "ends_by": "time",
    "protocol": "mptcp", "clock": "virtual", "object_bytes": 100_000_000, "seed": 1,
}  # fmt: skip


def tables(**rows: list[dict[str, Any]]) -> dict[str, pa.Table]:
    found = {name: table.of_rows(rows.get(name, ())) for name, table in TABLES.items()}
    if "points" not in rows:
        found["points"] = TABLES["points"].of_rows([POINT])
    return found
