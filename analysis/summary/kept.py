"""The analysis of a point whose captures were not kept: its summary and tables, in the point's own directory.

    <point>/analysis/summary.json            written by the run that had made the point, after all the others
    <point>/analysis/tables/NAME.parquet     of each table in which it has rows

Such a point (`[capture] keep = "tables"`) is never analysed again: what is here is what came of it. Without the
summary a run was killed while it wrote, and the captures are still there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.summary.model import SUMMARY_FILE, PointSummary, read_summary, write_json
from analysis.tables import DIRECTORY, TABLES, read_table
from testbed.base.errors import AnalysisError
from testbed.record import reading
from testbed.record import writing as output

FOLDER = "analysis"


def write_kept(directory: Path, summary: PointSummary, tables: Mapping[str, pa.Table]) -> None:
    """Keep the summary and the rows of a point's tables in its directory; raises AnalysisError."""
    target = output.make_folder(directory / FOLDER)
    folder = output.make_folder(target / DIRECTORY)
    for name in TABLES:
        rows = tables[name].filter(pc.field("point") == summary.id)
        if rows.num_rows:
            with output.writing(folder / f"{name}.parquet") as file:
                pq.write_table(rows, file)
    write_json(target, [summary])


def is_kept(directory: Path) -> bool:
    """Whether the analysis of a point was kept, all of it."""
    target = directory / FOLDER
    return target.is_dir() and not target.is_symlink() and reading.is_there(target / SUMMARY_FILE)


def read_kept(directory: Path) -> tuple[PointSummary, dict[str, pa.Table]] | None:
    """What was kept of a point, None where nothing was; raises AnalysisError for what cannot be used."""
    if not is_kept(directory):
        return None
    target = directory / FOLDER
    found = read_summary(target)
    if [each.id for each in found] != [directory.name]:
        raise AnalysisError(f"{target}: not the analysis of {directory.name}")
    there = {path.stem for path in (target / DIRECTORY).glob("*.parquet")}
    empty = {name: table.schema.empty_table() for name, table in TABLES.items()}
    return found[0], empty | {name: read_table(target, name) for name in TABLES if name in there}
