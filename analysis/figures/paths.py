"""Payload on each path over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.figures import style
from analysis.figures.changes import MARKS
from analysis.figures.declaration import Data, Figure, Row, Tables
from analysis.figures.over_time import in_words, per_step, step_s
from analysis.figures.selection import (
    first_panels,
    is_over_time,
    legend,
    numbers,
    panels_of,
    path_name,
    repeats,
    rows,
)

Path = tuple[str, str]


def draw(canvas: Canvas, data: Data) -> bool:
    """One panel per point: payload per second on each path, in Mbit/s, with every change marked.

    Points that differ in their seed alone share a panel: their median, in a band from the least to the most.
    """
    tables = data.tables
    there = [each for each in data.points if len(rows(tables["seconds"], point=each["point"]))]
    shown, note = first_panels(repeats(there))
    if not shown:
        return False
    panels = panels_of(canvas, len(shown), note)
    order = _paths(tables["seconds"], [point for _, members in shown for point in members])
    for axes, (title, members) in zip(panels, shown, strict=True):
        step = _over_time(axes, tables, members, order)
        _mark_churn(axes, tables, members[0])
        axes.set_title(f"{title}: median; band: minimum to maximum" if len(members) > 1 else title, loc="left")
        axes.set_ylabel("Payload (Mbit/s)" if step == 1 else f"Payload (Mbit/s,\nmean of {in_words(step)})")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.06)
        axes.set_xlim(left=0)
    panels[-1].set_xlabel("Time since the workload's start (s)")
    legend(canvas, panels, 3)
    return True


def _over_time(axes: Axes, tables: Tables, members: Sequence[Row], order: Sequence[Path]) -> int:
    """Draw the curves; returns the seconds of one step."""
    each_seed = [_main_seconds(tables, member) for member in members]
    # The last whole second of a seed may be the last but one of another.
    length = min((int(numbers(seconds, "second").max()) + 1 for seconds in each_seed if len(seconds)), default=0)
    step = step_s(length)
    for place, (path, server) in enumerate(order):
        parts = [rows(seconds, path=path, server=server or None) for seconds in each_seed]
        if not any(map(len, parts)):
            continue
        # A path that a seed never used has no rows, and captures that are no point have none for an empty second.
        megabits = np.array([per_step(part, "payload_bytes", length, step) for part in parts]) * 8 / 1e6 / step
        count = megabits.shape[1]
        look, at = style.scheme(place), (np.arange(count) + 0.5) * step
        if len(parts) > 1:
            axes.fill_between(at, megabits.min(axis=0), megabits.max(axis=0), color=look.colour, alpha=0.2, linewidth=0)
        axes.plot(
            at, np.median(megabits, axis=0), color=look.colour, linestyle=look.line, marker=look.marker, markersize=4,
            markevery=(place, max(count // 10, 1)), label=path_name(path, server, members[0]["service_path"]),
        )  # fmt: skip
    return step


def _mark_churn(axes: Axes, tables: Tables, point: Row) -> None:
    """A line at every change; the cycle of changes is a setting, so it is that of every seed."""
    events = tables["events"]
    for event, mark in MARKS.items():
        for number, t in enumerate(numbers(rows(events, point=point["point"], event=event), "t_s")):
            label = mark.name if number == 0 else f"_{mark.name}"
            axes.axvline(t, color=mark.colour, linestyle=mark.dash, linewidth=0.8, zorder=1.5, label=label)


def _main_seconds(tables: Tables, point: Row) -> pa.Table:
    """The point's whole seconds of the direction that has more payload."""
    seconds = rows(tables["seconds"], point=point["point"], whole=True)
    total = {way: numbers(rows(seconds, direction=way), "payload_bytes").sum() for way in ("to-client", "to-server")}
    return rows(seconds, direction=max(total, key=lambda way: total[way]))


def _paths(table: pa.Table, points: Sequence[Row]) -> list[Path]:
    """The paths of these points, the director's first."""
    ids = {point["point"] for point in points}
    columns = (table["point"].to_pylist(), table["path"].to_pylist(), table["server"].to_pylist())
    found = {(path, server or "") for point, path, server in zip(*columns, strict=True) if point in ids}
    return sorted(found, key=lambda each: ({"director": 0, "past": 1}.get(each[0], 2), each[1]))


FIGURE = Figure("paths", "payload on each path", "run", draw, tables=("seconds", "events"), unasked=is_over_time)
