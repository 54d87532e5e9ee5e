"""Keys that a table must have and has not: probably one of those that nobody knows was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from experiments.document import Document
from experiments.toml_source import KeyPath
from experiments.words import shown
from testbed.base.errors import TestbedError


def missing(
    document: Document, table: KeyPath, key: str, *, known: Collection[str] = (), place: str = "", hint: str = ""
) -> TestbedError:
    """The error to raise for a table without `key`: it is mistyped there, or missing.

    `known` are keys that such a table may have besides, `place` is the table as it stands in the file (`[workload]`),
    and `hint` says what the key could be.
    """
    where = f" in {place}" if place else ""
    values = document.value(table) if table else document.data
    unknown = [str(each) for each in values if each not in known] if isinstance(values, Mapping) else []
    if close := difflib.get_close_matches(key, unknown, n=1):
        return document.error(
            (*table, close[0]), f"unknown key {shown(close[0])}{where}", hint=f"did you mean {key!r}?"
        )
    return document.error(table, f"missing key {key!r}{where}", hint=hint)
