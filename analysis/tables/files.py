"""Tables as files: `tables/NAME.parquet` and `tables/NAME.csv` in a run's directory, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from analysis.tables.catalogue import TABLES
from analysis.tables.schema import FORMAT, FORMAT_KEY
from testbed.base import files
from testbed.base.errors import AnalysisError
from testbed.base.parts import KINDS
from testbed.record import reading
from testbed.record import writing as output
from testbed.record.legacy import names_of, of_a_row

DIRECTORY = "tables"

_BEFORE_TRAITS, _BEFORE_PARTS = "1", "2"
_RENAMED = ("accounts",)
"""What tables of the formats before were called; beside today's, these would tell of an analysis that is no more."""


def write_tables(directory: Path, tables: Mapping[str, pa.Table]) -> list[Path]:
    """Write each table by its name into `directory`/tables; returns the files. Raises AnalysisError.

    The same tables give the same bytes: nothing of the time or the machine is in a file. Of a folder that an older
    toolkit has written, the tables that have other names today go, as far as it noted them as its own.
    """
    target = output.make_folder(directory / DIRECTORY)
    written = []
    for name, table in tables.items():
        written += [
            _whole(target / f"{name}.parquet", partial(pq.write_table, table)),
            _whole(target / f"{name}.csv", partial(pa_csv.write_csv, table)),
        ]
    for name in _RENAMED:
        for suffix in ("parquet", "csv"):
            output.remove(target / f"{name}.{suffix}")
    return written


def read_table(directory: Path, name: str) -> pa.Table:
    """A table of a run's directory; raises AnalysisError where there is none, or one of another format."""
    path = directory / DIRECTORY / f"{name}.parquet"
    try:
        # pq.read_table would import pandas, where that is installed: a second. By itself this would wait for a FIFO.
        with files.open_regular(path) as raw, pq.ParquetFile(raw) as file:
            table = file.read()
        # A stranger's file may be Parquet and yet hold bytes where its columns, or their names, are to be text.
        table.validate(full=True)
        found = (table.schema.metadata or {}).get(FORMAT_KEY, b"none").decode(errors="replace")
        if found in (_BEFORE_TRAITS, _BEFORE_PARTS):
            return _of_today(table, name)
        is_ours = name in TABLES and table.schema.equals(TABLES[name].schema)
    except FileNotFoundError as error:
        raise AnalysisError(f"{path}: there is no such table", hint=f"testbed analyze {directory}") from error
    except (OSError, pa.ArrowException, UnicodeDecodeError, LookupError) as error:
        raise AnalysisError(f"{path}: not a Parquet file: {reading.shown(str(error))}") from error
    if found != str(FORMAT):
        raise AnalysisError(f"{path}: tables of format {found}, but this toolkit reads format {FORMAT}")
    return TABLES[name].stack([table]) if is_ours else table


def _of_today(table: pa.Table, name: str) -> pa.Table:
    """A table of the formats before: points had a scenario, and at first no traits; everything else was as it is."""
    if name == "points" and "scenario" in table.column_names:
        scenarios = table["scenario"].to_pylist()
        rows = [{**names_of(each or ""), **of_a_row(each)} for each in scenarios]
        place = table.column_names.index("scenario")
        table = table.drop_columns(["scenario"])
        columns = [each for each in (*KINDS, "service_path", "ends_by") if each not in table.column_names]
        for column in reversed(columns):
            field = TABLES[name].schema.field(column)
            table = table.add_column(place, field, pa.array([row.get(column) for row in rows], field.type))
    return table.replace_schema_metadata({**(table.schema.metadata or {}), FORMAT_KEY: str(FORMAT)})


def _whole(path: Path, write: Callable[[IO[bytes]], None]) -> Path:
    try:
        with output.writing(path) as file:
            write(file)
    except pa.ArrowException as error:
        raise AnalysisError(f"{path}: cannot be written: {error}") from error
    return path
