"""The table `sweep`: a row for each point of a sweep, the swept settings first, then what came of it.

Its columns depend on what was swept, so it is no table of the catalogue (`analysis.tables.catalogue`): there is a
column for each setting, named by its key in the file and the base unit of its values.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from analysis.summary.curves import arm_namer
from analysis.summary.model import PointSummary
from analysis.summary.sweep import axes_of
from analysis.tables.schema import FORMAT, FORMAT_KEY, MEANING_KEY, TABLE_KEY, UNIT_KEY

NAME = "sweep"

_RESULTS = (
    ("goodput_bps", pa.float64(), "bit/s", "what the client got of the objects"),
    ("wire_limit_bps", pa.float64(), "bit/s", "the goodput that the wire allows"),
    ("requests_per_s", pa.float64(), "1/s", "whole requests per second"),
    ("complete_requests", pa.int64(), "", "requests that came to their end"),
    ("failed_requests", pa.int64(), "", "requests that broke"),
    ("connections", pa.int64(), "", "connections in the captures"),
    ("joined", pa.int64(), "", "those with a second subflow"),
    ("director_bypass_share", pa.float64(), "share", "bytes past the director"),
    ("resets", pa.int64(), "", "RSTs in the captures"),
    ("virtual_s", pa.float64(), "s", "seconds of the lab's clock"),
)


def sweep_table(points: Sequence[PointSummary]) -> pa.Table | None:
    """A row for each point that is one of a sweep, in their order; None without any."""
    swept = [point for point in points if point.sweep]
    if not swept:
        return None
    curve = arm_namer(swept)
    columns: dict[str, tuple[pa.Field, list[object]]] = {}

    def add(name: str, kind: pa.DataType, unit: str, meaning: str, values: list[object]) -> None:
        field = pa.field(name, kind, metadata={UNIT_KEY: unit, MEANING_KEY: meaning})
        columns.setdefault(name, (field, values))

    add("point", pa.string(), "", "the point's id", [point.id for point in swept])
    add("experiment", pa.string(), "", "its experiment", [point.experiment for point in swept])
    add("arm", pa.string(), "", "what is compared: protocol, scheme or variant", [curve(point) for point in swept])
    add("condition", pa.string(), "", "what it was put to", [point.condition for point in swept])
    for axis in axes_of(swept):
        if axis.is_number:
            add(axis.column, pa.float64(), axis.unit, axis.key, [axis.number_of(point) for point in swept])
        else:
            texts: list[object] = [axis.text_of(point) if axis.key in point.sweep else None for point in swept]
            add(axis.column, pa.string(), "", axis.key, texts)
    add("object_bytes", pa.int64(), "bytes", "the size of an object", [point.object_bytes for point in swept])
    add("seed", pa.uint64(), "", "the point's seed", [point.seed for point in swept])
    add("valid", pa.bool_(), "", "whether its numbers can be trusted", [point.valid for point in swept])
    for name, kind, unit, meaning in _RESULTS:
        add(name, kind, unit, meaning, [getattr(point, name) for point in swept])
    meta = {FORMAT_KEY: str(FORMAT), TABLE_KEY: NAME, MEANING_KEY: "a point of a sweep"}
    schema = pa.schema([field for field, _ in columns.values()], metadata=meta)
    arrays = [pa.array(values, field.type) for field, values in columns.values()]
    return pa.Table.from_arrays(arrays, schema=schema)
