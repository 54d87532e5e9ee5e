"""Rows and columns of tables as figures need them, and the names of points and paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.table import protocol_name

Numbers = NDArray[np.float64]


def rows(table: pa.Table, **wanted: Any) -> pa.Table:
    """The rows whose columns have these values; None is null, which nothing equals."""
    for column, value in wanted.items():
        of_value = pc.is_null(table[column]) if value is None else pc.equal(table[column], value)
        table = table.filter(of_value)
    return table


def numbers(table: pa.Table, column: str) -> Numbers:
    """A column as numbers; null is NaN."""
    found: Numbers = table[column].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def points(tables: Any) -> list[dict[str, Any]]:
    """The rows of the table `points`."""
    found: list[dict[str, Any]] = tables["points"].to_pylist()
    return found


def point_name(point: dict[str, Any], among: Sequence[dict[str, Any]]) -> str:
    """What tells a point from the others: protocol or variant, object size and seed where they differ."""
    parts = [point["variant"] or protocol_name(point["protocol"], point["clock"])]
    for column, text in (
        ("object_bytes", f"{(point['object_bytes'] or 0) / 1000:g} KB"),
        ("seed", f"seed {point['seed']}"),
    ):
        if len({each[column] for each in among}) > 1:
            parts.append(text)
    return ", ".join(parts)


def path_name(path: str, server: str | None, scenario: str) -> str:
    """A path in words."""
    if path == "past":
        return f"address of {server}" if server else "a server's own address"
    if path == "director":
        return "anycast address" if scenario == "anycast" else "director"
    return "unknown path"


def legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """One legend below all panels; a label that several have stands there once."""
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=columns)


def main_direction(table: pa.Table, to_client: str, to_server: str) -> str:
    """Which of two columns of bytes has more: downloads and uploads are drawn alike."""
    sums = {column: pc.sum(table[column]).as_py() or 0 for column in (to_client, to_server)}
    return to_server if sums[to_server] > sums[to_client] else to_client
