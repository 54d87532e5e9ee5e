"""The tidy tables of a run: `TABLES` declares them, `write_tables` and `read_table` are their files."""

from analysis.tables.catalogue import CAUSES, PACKETS, TABLES
from analysis.tables.files import DIRECTORY, read_table, write_tables
from analysis.tables.schema import FORMAT, Field, Table

__all__ = ["CAUSES", "DIRECTORY", "FORMAT", "PACKETS", "TABLES", "Field", "Table", "read_table", "write_tables"]
