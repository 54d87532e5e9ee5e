"""Payload per path: over time, and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis import style
from analysis.run_figures.selection import (
    first_panels,
    legend,
    main_direction,
    numbers,
    panels_of,
    path_name,
    point_name,
    rows,
)
from analysis.tables import TABLES

Tables = Mapping[str, pa.Table]
Point = dict[str, Any]
Path = tuple[str, str]

_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo")


def draw_over_time(figure: Figure, tables: Tables, points: Sequence[Point]) -> bool:
    """One panel per point: payload per second on each path, in Mbit/s, with removals and additions marked."""
    shown, note = first_panels([each for each in points if len(rows(tables["seconds"], point=each["point"]))])
    if not shown:
        return False
    panels = panels_of(figure, len(shown), note)
    order = _paths(tables["seconds"], shown)
    for axes, point in zip(panels, shown, strict=True):
        _over_time(axes, tables, point, order)
        axes.set_title(point_name(point, points), loc="left")
        axes.set_ylabel("Payload (Mbit/s)")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.06)
        axes.set_xlim(left=0)
    panels[-1].set_xlabel("Time since the workload's start (s)")
    legend(figure, panels, 3)
    return True


def _over_time(axes: Axes, tables: Tables, point: Point, order: Sequence[Path]) -> None:
    seconds = rows(tables["seconds"], point=point["point"], whole=True)
    total = {way: numbers(rows(seconds, direction=way), "payload_bytes").sum() for way in ("to-client", "to-server")}
    seconds = rows(seconds, direction=max(total, key=lambda way: total[way]))
    for place, (path, server) in enumerate(order):
        mine = rows(seconds, path=path, server=server or None)
        if not len(mine):
            continue
        look = style.scheme(place)
        at, megabits = numbers(mine, "second") + 0.5, numbers(mine, "payload_bytes") * 8 / 1e6
        axes.plot(
            at, megabits, color=look.colour, linestyle=look.line, marker=look.marker, markersize=4,
            markevery=(place, max(len(at) // 10, 1)), label=path_name(path, server, point["scenario"]),
        )  # fmt: skip
    events = tables.get("events", TABLES["events"].empty())  # captures from elsewhere have none
    for event, colour, line in (
        ("server-removed", style.REMOVAL_COLOUR, "--"),
        ("server-added", style.ADDITION_COLOUR, ":"),
    ):
        for number, t in enumerate(numbers(rows(events, point=point["point"], event=event), "t_s")):
            label = event.replace("-", " ") if number == 0 else f"_{event}"
            axes.axvline(t, color=colour, linestyle=line, linewidth=0.8, zorder=1.5, label=label)


def _paths(table: pa.Table, points: Sequence[Point]) -> list[Path]:
    """The paths of these points, the director's first."""
    ids = {point["point"] for point in points}
    columns = (table["point"].to_pylist(), table["path"].to_pylist(), table["server"].to_pylist())
    found = {(path, server or "") for point, path, server in zip(*columns, strict=True) if point in ids}
    return sorted(found, key=lambda each: ({"director": 0, "past": 1}.get(each[0], 2), each[1]))


def draw_bytes(figure: Figure, tables: Tables, points: Sequence[Point]) -> bool:
    """One bar per point: the share of its payload on each path; the megabytes beside it."""
    subflows = tables["subflows"]
    shown = [point for point in points if len(rows(subflows, point=point["point"]))]
    if not shown:
        return False
    axes = figure.subplots()
    order = sorted({key for point in shown for key in _bytes(subflows, point)}, key=lambda k: (k[0] != "director", k))
    for row, point in enumerate(shown):
        by_path = _bytes(subflows, point)
        total, left = sum(by_path.values()) or 1.0, 0.0
        for place, key in enumerate(order):
            if not (size := by_path.get(key, 0.0)):
                continue
            axes.barh(
                row, 100 * size / total, 0.7, left, color=style.scheme(place).colour, edgecolor="white",
                hatch=_HATCHES[place % len(_HATCHES)], linewidth=0.5, zorder=3,
                label=path_name(*key, point["scenario"]),
            )  # fmt: skip
            left += 100 * size / total
        axes.annotate(f"{total / 1e6:.0f} MB", (100, row), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 25))
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.set_xlabel("Payload, retransmissions included")
    axes.set_yticks(range(len(shown)), [point_name(point, points) for point in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    legend(figure, [axes], 3)
    return True


def _bytes(subflows: pa.Table, point: Point) -> dict[Path, float]:
    """Payload in bytes by path, in the direction that has more of it."""
    mine = rows(subflows, point=point["point"])
    column = numbers(mine, main_direction(mine, "bytes_to_client", "bytes_to_server"))
    found: dict[Path, float] = {}
    for path, server, size in zip(
        mine["path"].to_pylist(), mine["server"].to_pylist(), np.nan_to_num(column), strict=True
    ):
        # Of the director's subflows the server is a guess, and their path is one all the same.
        key = (path, server or "") if path == "past" else (path, "")
        found[key] = found.get(key, 0.0) + float(size)
    return found
