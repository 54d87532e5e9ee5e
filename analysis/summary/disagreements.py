"""Where the captures of a point and an independent count tell different stories: rows of the table `reconciliation`.

Such a point is not invalid by that alone: which of the two is wrong, or what else was there that one of them cannot
see, is not known. But it is said wherever its figures are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from analysis.summary.model import PointSummary

_WORDS = {True: "agree", False: "DO NOT AGREE", None: "cannot be judged"}


def with_disagreements(summary: PointSummary, reconciliation: pa.Table) -> PointSummary:
    """The summary with a line on each comparison of the table that does not hold."""
    found = tuple(in_words(row) for row in reconciliation.to_pylist() if row["holds"] is False)
    return replace(summary, disagreements=found)


def in_words(row: Mapping[str, Any]) -> str:
    """A comparison in a line: `RSTs from the servers: 40 counted, 80 captured: DO NOT AGREE (why that may be)`."""
    of = f" ({row['node']})" if row["node"] else ""
    said = f"{row['quantity']}{of}: {row['counted']} counted, {row['explained']} captured: {_WORDS[row['holds']]}"
    return said if row["holds"] else f"{said} ({row['note']})"
