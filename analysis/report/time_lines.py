"""The time lines of a report: which points get one on the page, and how it is packed.

A point's data are JSON, deflated, in base 64: the page's script unpacks them when the point is chosen. All of them
together are no more than `MOST_BYTES`; what has no place is named, and `testbed report RUN --point ID` shows it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from analysis.report.run_facts import RunFacts
from analysis.report.time_line import TABLES, of_point
from analysis.summary.model import PointSummary
from analysis.tables import read_table
from testbed.base.errors import AnalysisError

MOST_BYTES = 8_000_000
"""Of the packed time lines of one page."""

MOST_POINTS = 60
"""Of one page: nobody reads a longer list."""


@dataclass(frozen=True)
class TimeLine:
    """A point's time line: its run and name, and its data as the page's script unpacks them."""

    run: str
    point: str
    packed: str


@dataclass(frozen=True)
class TimeLines:
    """Those of a page, and lines on what is not there."""

    points: tuple[TimeLine, ...]
    notes: tuple[str, ...]


def time_lines(runs: Sequence[RunFacts]) -> TimeLines:
    """The time lines of runs: first of points whose figures are over time, then of all others, as far as they fit."""
    every: list[tuple[str, PointSummary, Mapping[str, pa.Table]]] = []
    notes: list[str] = []
    for run in runs:
        try:
            tables = {name: read_table(run.directory, name) for name in TABLES}
        except AnalysisError as error:
            notes.append(f"{run.name}: no time line: {error}")
            continue
        every += [(run.name, point, tables) for point in run.points]
    chosen: list[TimeLine] = []
    left, without = MOST_BYTES, 0
    for name, point, its_tables in sorted(every, key=lambda each: not each[1].traits.per_second):
        try:
            packed = _packed(point, its_tables) if len(chosen) < MOST_POINTS else ""
        except (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            notes.append(f"{name}: {point.id}: no time line: its tables are not what an analysis leaves: {error}")
            continue
        if not packed:
            without += len(chosen) >= MOST_POINTS
        elif len(packed) > left and chosen:
            without += 1
        else:
            left -= len(packed)
            chosen.append(TimeLine(name, point.id, packed))
    if without:
        notes.append(f"{without} more points have a time line in a page of their own: testbed report RUN --point ID")
    return TimeLines(tuple(chosen), tuple(notes))


def _packed(point: PointSummary, tables: Mapping[str, pa.Table]) -> str:
    """The point's time line, or an empty text where it has none; the same bytes for the same tables."""
    data = of_point(point, tables)
    if data is None:
        return ""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()
