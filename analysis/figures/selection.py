"""Rows and columns of tables as figures need them, and the names of points and paths."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from analysis.figures import style
from analysis.summary.curves import curve_of, kernel_names

Numbers = NDArray[np.float64]

MOST_PANELS = 4
PANEL_INCHES = 1.6
_LEGEND_MARK = 4.0


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
    """What tells a point from the others: protocol or variant, size and seed if they differ, and if it is invalid."""
    releases = kernel_names(each.get("kernel") or "" for each in among)
    kernel = releases.get(point.get("kernel") or "", "")
    parts = [style.label(curve_of(point["variant"] or "", point["protocol"], point["clock"], kernel))]
    for column, text in (
        ("object_bytes", f"{(point['object_bytes'] or 0) / 1000:g} KB"),
        ("seed", f"seed {point['seed']}"),
    ):
        if len({each[column] for each in among}) > 1:
            parts.append(text)
    if is_invalid(point):
        parts.append("INVALID")
    return ", ".join(parts)


def repeats(points: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The points that differ in their seed alone, together, with their name; invalid ones are apart.

    Those whose parameters differ have in their names how they do.
    """
    seedless = [{**point, "seed": None} for point in points]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for point, alike in zip(points, seedless, strict=True):
        found.setdefault((point_name(alike, seedless), point.get("parameters") or ""), []).append(point)
    of_name: dict[str, list[dict[str, Any]]] = {}
    for name, text in found:
        of_name.setdefault(name, []).append(_parameters(text))
    return [
        (_of_seeds(", ".join((name, *_own(_parameters(text), of_name[name]))), members), members)
        for (name, text), members in found.items()
    ]


def _parameters(text: str) -> dict[str, Any]:
    """The parameters of a row of `points`; none where a file from elsewhere has something else there."""
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    return {}


def _own(mine: Mapping[str, Any], among: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of the parameters not all of those among which they stand have."""
    return [
        style.label(f"{key} = {json.dumps(value)}")
        for key, value in mine.items()
        if any(key not in each or each[key] != value for each in among)
    ]


def _of_seeds(name: str, members: Sequence[dict[str, Any]]) -> str:
    return f"{name} ({len(members)} seeds)" if len(members) > 1 else name


def is_invalid(point: dict[str, Any]) -> bool:
    """Whether a sanity rule was broken; captures that are no point were never judged."""
    return point.get("valid") is False


def is_over_time(points: Sequence[dict[str, Any]]) -> bool:
    """Whether time is what such points are about: a workload ends by it, or they are captures that are no point."""
    return any(point["ends_by"] != "requests" for point in points)


def first_panels(
    groups: Sequence[tuple[str, list[dict[str, Any]]]],
) -> tuple[list[tuple[str, list[dict[str, Any]]]], str]:
    """As many groups of repeats as there is room for panels, and what to say of the others."""
    left_out = sum(len(members) for _, members in groups[MOST_PANELS:])
    count = sum(len(members) for _, members in groups)
    note = f"{left_out} more of {count} points: draw them with --point" if left_out > 0 else ""
    return list(groups[:MOST_PANELS]), note


def path_name(path: str, server: str | None, service_path: str) -> str:
    """A path in words; `server` is whose address it is, if it is one server's own."""
    if path == "past":
        return f"address of {style.label(server)}" if server else "past the director"
    if path == "director":
        return style.label(service_path)
    return "unknown path"


def whose_address(subflow: Mapping[str, Any]) -> str | None:
    """The server whose own address a subflow of the table is with; None: it is the service address."""
    server: str | None = subflow["server"] if subflow["server_evidence"] == "address" else None
    return server


def panels_of(figure: Figure, count: int, note: str) -> list[Axes]:
    """Panels one below the other on one time axis, high enough to be read; `note` stands above the first."""
    figure.set_figheight(max(figure.get_figheight(), 2.4 + PANEL_INCHES * count))
    panels = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    panels[0].set_title(note, loc="right", fontsize=8.5)
    return panels


def legend(figure: Figure, panels: Iterable[Axes], columns: int, title: str = "") -> None:
    """One legend below all panels, its marks large enough to see; a label that several have stands there once.

    It has fewer columns where the labels are too long for so many.
    """
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    columns = min(columns, style.legend_columns(list(found), figure.get_figwidth()))
    drawn = figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=columns, title=title)
    for entry in drawn.legend_handles:
        if isinstance(entry, Line2D):
            entry.set_markersize(max(entry.get_markersize(), _LEGEND_MARK))


def main_direction(table: pa.Table, to_client: str, to_server: str) -> str:
    """Which of two columns of bytes has more: downloads and uploads are drawn alike."""
    sums = {column: pc.sum(table[column]).as_py() or 0 for column in (to_client, to_server)}
    return to_server if sums[to_server] > sums[to_client] else to_client
