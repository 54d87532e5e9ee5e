"""What a tidy table is: named columns of a declared type, unit and meaning, as an Arrow schema that carries all three.

The catalogue of tables is `analysis.tables.catalogue`; the same declarations make the metadata of the Parquet files and
the documentation in README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

FORMAT = 3
"""Version of the tables: columns may be added within it; a reader must refuse a version that it does not know."""

FORMAT_KEY, TABLE_KEY, UNIT_KEY, MEANING_KEY = (b"testbed.format", b"testbed.table", b"unit", b"meaning")

Type = Literal["integer", "integer from 0", "number", "text", "yes/no"]
_ARROW: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "integer from 0": pa.uint64(),
    "number": pa.float64(),
    "text": pa.string(),
    "yes/no": pa.bool_(),
}


@dataclass(frozen=True)
class Field:
    """One column: `unit` is "" for text, counts and flags. A value that there is none of is null (empty in CSV)."""

    name: str
    type: Type
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A table: what one row stands for, and its columns in order."""

    name: str
    row: str
    fields: tuple[Field, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with units and meanings as metadata of the columns."""
        fields = [
            pa.field(each.name, _ARROW[each.type], metadata={UNIT_KEY: each.unit, MEANING_KEY: each.meaning})
            for each in self.fields
        ]
        return pa.schema(fields, metadata={FORMAT_KEY: str(FORMAT), TABLE_KEY: self.name, MEANING_KEY: self.row})

    def of_columns(self, columns: Mapping[str, Any]) -> pa.Table:
        """A table of lists, NumPy arrays or Arrow arrays of equal length; every column must be there and no other.

        In a column of numbers NaN is null; a masked array is null where it is masked.
        """
        wanted = [field.name for field in self.fields]
        if unknown := set(columns) ^ set(wanted):
            raise ValueError(f"table {self.name}: columns that differ from the catalogue: {', '.join(sorted(unknown))}")
        schema = self.schema
        return pa.table([_array(columns[name], schema.field(name).type) for name in wanted], schema=schema)

    def of_rows(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """A table of rows; a column that a row lacks is null there, one that the table lacks is an error."""
        found = list(rows)
        names = {field.name for field in self.fields}
        if unknown := {name for row in found for name in row} - names:
            raise ValueError(f"table {self.name}: unknown columns: {', '.join(sorted(unknown))}")
        return self.of_columns({field.name: [row.get(field.name) for row in found] for field in self.fields})

    def empty(self) -> pa.Table:
        """The table without rows."""
        return self.schema.empty_table()

    def stack(self, tables: Sequence[pa.Table]) -> pa.Table:
        """Several tables of this kind, one below the other."""
        return pa.concat_tables([self.empty(), *tables])


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, np.ma.MaskedArray):
        return pa.array(values.data, kind, mask=np.ma.getmaskarray(values))
    return pa.array(values, kind, from_pandas=True)
