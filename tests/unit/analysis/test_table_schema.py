"""The catalogue of tables: the same words in the Parquet metadata, in README.md and in the code."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import analysis
from analysis.tables import TABLES, read_table, write_tables
from analysis.tables.documentation import BEGIN, END, markdown
from testbed.base import ownership
from testbed.base.errors import AnalysisError

_UNITS = {"_s": "s", "_bps": "bit/s", "_bytes": "bytes", "_ns": "ns", "_ms": "ms", "_share": "0 to 1"}


def test_readme_documents_the_tables_as_they_are() -> None:
    readme = (Path(analysis.__file__).parent / "README.md").read_text()
    assert readme.partition(BEGIN + "\n")[2].partition(END)[0] == markdown()


def test_units_agree_with_the_names_of_columns() -> None:
    for table in TABLES.values():
        for field in table.fields:
            for suffix, unit in _UNITS.items():
                if field.name.endswith(suffix) and field.name != "requests_per_s":
                    assert (table.name, field.name, field.unit) == (table.name, field.name, unit)


def test_every_column_has_a_meaning_and_a_name_of_its_own() -> None:
    for table in TABLES.values():
        names = [field.name for field in table.fields]
        assert len(names) == len(set(names))
        assert names[0] == "point"
        assert all(field.meaning for field in table.fields)


def test_the_files_carry_unit_and_meaning(tmp_path: Path) -> None:
    table = TABLES["percentiles"].of_rows([{"point": "a", "percent": 50, "time_ms": 3}])
    write_tables(tmp_path, {"percentiles": table})
    schema = pq.read_schema(tmp_path / "tables" / "percentiles.parquet")
    assert schema.field("time_ms").metadata == {b"unit": b"ms", b"meaning": b"that were served within this time"}
    assert schema.metadata[b"testbed.format"] == b"3"
    assert (tmp_path / "tables" / "percentiles.csv").read_text() == '"point","percent","time_ms"\n"a",50,3\n'
    assert read_table(tmp_path, "percentiles").to_pylist() == [{"point": "a", "percent": 50, "time_ms": 3.0}]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    table = TABLES["percentiles"].of_rows([{"point": "a", "percent": 50, "time_ms": 3}])
    files = [write_tables(tmp_path / name, {"percentiles": table}) for name in ("one", "two")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_tables_that_were_called_otherwise_go_where_we_made_them(tmp_path: Path) -> None:
    tables = {"percentiles": TABLES["percentiles"].empty()}
    write_tables(tmp_path, tables)
    folder = tmp_path / "tables"
    for name in ("accounts.parquet", "accounts.csv"):
        (folder / name).write_text("somebody else's")
    write_tables(tmp_path, tables)
    assert (folder / "accounts.parquet").exists() and (folder / "accounts.csv").exists()
    for name in ("accounts.parquet", "accounts.csv"):
        ownership.note(folder / name)
    write_tables(tmp_path, tables)
    assert not list(folder.glob("accounts.*"))
    assert ownership.made(folder) == {"percentiles.parquet", "percentiles.csv"}


def test_nan_and_masked_values_are_null() -> None:
    columns = {
        "point": ["a", "a"],
        "percent": np.ma.MaskedArray(np.array([50, 0]), [False, True]),
        "time_ms": np.array([np.nan, 2.5]),
    }
    assert TABLES["percentiles"].of_columns(columns).to_pylist() == [
        {"point": "a", "percent": 50, "time_ms": None},
        {"point": "a", "percent": None, "time_ms": 2.5},
    ]


def test_a_column_that_is_not_in_the_catalogue_is_an_error() -> None:
    with pytest.raises(ValueError, match="table percentiles: unknown columns: colour"):
        TABLES["percentiles"].of_rows([{"point": "a", "colour": "red"}])
    with pytest.raises(ValueError, match="differ from the catalogue: time_ms"):
        TABLES["percentiles"].of_columns({"point": ["a"], "percent": [1]})


def test_reading_what_is_not_there_or_newer(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="there is no such table"):
        read_table(tmp_path, "resets")
    newer = TABLES["percentiles"].empty().replace_schema_metadata({"testbed.format": "4"})
    write_tables(tmp_path, {"percentiles": newer})
    with pytest.raises(AnalysisError, match="tables of format 4, but this toolkit reads format 3"):
        read_table(tmp_path, "percentiles")
    (tmp_path / "tables" / "resets.parquet").write_text("nonsense")
    with pytest.raises(AnalysisError, match=r"resets.parquet: not a Parquet file"):
        read_table(tmp_path, "resets")


@pytest.mark.timeout(60)
def test_a_fifo_in_a_tables_place_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    os.mkfifo(tmp_path / "tables" / "resets.parquet")
    with pytest.raises(AnalysisError, match=r"resets.parquet: not a Parquet file: .*not a regular file"):
        read_table(tmp_path, "resets")


def test_a_column_whose_name_is_no_text_is_no_table_of_ours(tmp_path: Path) -> None:
    write_tables(tmp_path, {"percentiles": TABLES["percentiles"].empty()})
    path = tmp_path / "tables" / "percentiles.parquet"
    path.write_bytes(path.read_bytes().replace(b"time_ms", b"time_\xff\xfe"))
    with pytest.raises(AnalysisError, match=r"percentiles.parquet: not a Parquet file"):
        read_table(tmp_path, "percentiles")


def test_a_table_of_captures_from_before_points_had_traits_can_be_read(tmp_path: Path) -> None:
    now = TABLES["points"].of_rows([{"point": "a"}, {"point": "b"}])
    new = ["topology", "director", "workload", "timetable", "protection", "service_path", "ends_by"]
    place = now.column_names.index("topology")
    before = now.drop_columns(new).add_column(place, "scenario", pa.array(["capture", "anycast"]))
    write_tables(tmp_path, {"points": before.replace_schema_metadata({"testbed.format": "1"})})
    read = read_table(tmp_path, "points")
    assert read.column("service_path").to_pylist() == ["service address", "anycast address"]
    assert read.column("ends_by").to_pylist() == [None, "time"]
    assert read.column("director").to_pylist() == [None, "ecmp"]
    assert read.column_names == now.column_names
    with_traits = before.add_column(place + 1, "service_path", pa.array(["service address", "anycast address"]))
    with_traits = with_traits.add_column(place + 2, "ends_by", pa.array([None, "time"], pa.string()))
    write_tables(tmp_path / "2", {"points": with_traits.replace_schema_metadata({"testbed.format": "2"})})
    assert read_table(tmp_path / "2", "points").equals(read)
