"""Tables of what was analysed, by name: Arrow's, with the rows that one asks for, or pandas' where there is pandas."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from testbed import extras
from testbed.base.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Tabled:
    """What has tables by name: their columns are in `analysis/README.md`."""

    tables: Mapping[str, pa.Table]

    def table(self, name: str, **wanted: Any) -> pa.Table:
        """The rows of a table whose columns have these values: `table("subflows", point=ID, connection=3)`.

        Raises `UsageError` for a table and a column that are not there, and for a value that cannot be in the column.
        """
        import pyarrow as pa

        from analysis.figures.selection import rows

        if name not in self.tables:
            raise UsageError(f"no table {name!r}", hint=_nearest(name, self.tables))
        table = self.tables[name]
        for column, value in wanted.items():
            if column not in table.column_names:
                raise UsageError(
                    f"the table {name!r} has no column {column!r}", hint=_nearest(column, table.column_names)
                )
            try:
                table = rows(table, **{column: value})
            except pa.ArrowException as error:
                kind = table.schema.field(column).type
                raise UsageError(f"the column {column!r} of {name!r} is {kind}, not {value!r}") from error
        return table

    def frame(self, name: str, **wanted: Any) -> pd.DataFrame:
        """The same as a data frame of pandas; raises `PrerequisiteError` if that is not installed."""
        with extras.explained("a data frame"):
            import pandas as pd  # noqa: F401  # what Arrow says without it names no extra
        return self.table(name, **wanted).to_pandas()


def _nearest(name: str, names: Mapping[str, object] | list[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
