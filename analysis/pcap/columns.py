"""A table as one dataclass: each column is a NumPy array of a declared type, unit and meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

# What an `NDArray` is made of inside is NumPy's own affair and has changed; that it equals itself has not.
_SCALARS: Mapping[Any, type[np.generic]] = {
    Bools: np.bool_,
    U8: np.uint8,
    U16: np.uint16,
    U32: np.uint32,
    U64: np.uint64,
    I32: np.int32,
    I64: np.int64,
}
"""The array types that a column may be declared with (`Rows` is `I64`), and what each holds."""


@dataclass(frozen=True)
class Column:
    """Says in an annotation that a field is a column: its meaning and its unit ("" for a plain number).

    `dtype` is for types that the field's own does not tell, such as raw bytes of a certain length.
    """

    meaning: str
    unit: str = ""
    dtype: str = ""


@dataclass(frozen=True)
class ColumnType:
    """What a column holds: its NumPy type, its unit and its meaning."""

    dtype: np.dtype[Any]
    unit: str
    meaning: str


@dataclass(frozen=True, eq=False)
class Columns:
    """Base of every table: arrays of equal length, in those fields that are annotated with a `Column`."""

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.types()))))

    @classmethod
    def types(cls) -> Mapping[str, ColumnType]:
        """Name and type of each column, in order."""
        return _types(cls)  # type: ignore[arg-type]  # mypy looks for __hash__ in the instances

    @classmethod
    def empty(cls) -> Self:
        """A table without rows."""
        return cls(**{name: np.empty(0, kind.dtype) for name, kind in cls.types().items()})

    @classmethod
    def stack(cls, tables: Sequence[Self]) -> dict[str, Any]:
        """The columns of several tables, one below the other."""
        return {
            name: np.concatenate([np.empty(0, kind.dtype), *(getattr(table, name) for table in tables)])
            for name, kind in cls.types().items()
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in self.types()}

    def take(self, rows: Rows) -> Self:
        """These rows of every column."""
        return dataclasses.replace(self, **{name: array[rows] for name, array in self.columns().items()})


@cache
def _types(cls: type[Columns]) -> Mapping[str, ColumnType]:
    found = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for column in getattr(hint, "__metadata__", ()):
            if isinstance(column, Column):
                dtype = np.dtype(column.dtype or _SCALARS[hint.__origin__])
                found[name] = ColumnType(dtype, column.unit, column.meaning)
    return found
