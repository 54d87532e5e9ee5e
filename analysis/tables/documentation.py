"""The documentation of the tables as Markdown, from the catalogue: `python -m analysis.tables.documentation` prints it.

README.md of this room holds it between two marks; a test compares them.
"""

from __future__ import annotations

import sys

from analysis.tables.catalogue import CAUSES, PACKETS, TABLES
from analysis.tables.schema import Table

BEGIN = "<!-- tables: begin (python -m analysis.tables.documentation) -->"
END = "<!-- tables: end -->"


def markdown() -> str:
    """One section per table with a row per column, and the causes of RSTs; ends in a newline."""
    parts = [_section(table) for table in (*TABLES.values(), PACKETS)]
    causes = [f"| `{name}` | {meaning} |" for name, meaning in CAUSES.items()]
    parts.append("\n".join(["### Causes of a RST", "", "| `cause` | meaning |", "|---|---|", *causes]))
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> str:
    rows = [f"| `{field.name}` | {field.type} | {field.unit} | {field.meaning} |" for field in table.fields]
    head = [
        f"### {table.name}",
        "",
        f"A row is {table.row}.",
        "",
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    sys.stdout.write(f"{BEGIN}\n{markdown()}{END}\n")
