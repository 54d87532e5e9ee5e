"""Payload per path: over time, and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from analysis.figures import style
from analysis.figures.over_time import in_words, per_step, step_s
from analysis.figures.selection import (
    first_panels,
    legend,
    main_direction,
    numbers,
    panels_of,
    path_name,
    repeats,
    rows,
)
from analysis.tables import TABLES

Tables = Mapping[str, pa.Table]
Point = dict[str, Any]
Path = tuple[str, str]

_SMALL_PERCENT = 1.0
_BAR_INCHES = 0.3
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo")


def draw_over_time(figure: Figure, tables: Tables, points: Sequence[Point]) -> bool:
    """One panel per point: payload per second on each path, in Mbit/s, with removals and additions marked.

    Points that differ in their seed alone share a panel: their median, in a band from the least to the most.
    """
    there = [each for each in points if len(rows(tables["seconds"], point=each["point"]))]
    shown, note = first_panels(repeats(there))
    if not shown:
        return False
    panels = panels_of(figure, len(shown), note)
    order = _paths(tables["seconds"], [point for _, members in shown for point in members])
    for axes, (title, members) in zip(panels, shown, strict=True):
        step = _over_time(axes, tables, members, order)
        _mark_churn(axes, tables, members[0])
        axes.set_title(f"{title}: median; band: minimum to maximum" if len(members) > 1 else title, loc="left")
        axes.set_ylabel("Payload (Mbit/s)" if step == 1 else f"Payload (Mbit/s,\nmean of {in_words(step)})")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.06)
        axes.set_xlim(left=0)
    panels[-1].set_xlabel("Time since the workload's start (s)")
    legend(figure, panels, 3)
    return True


def _over_time(axes: Axes, tables: Tables, members: Sequence[Point], order: Sequence[Path]) -> int:
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


def _mark_churn(axes: Axes, tables: Tables, point: Point) -> None:
    """A line at every removal and addition; the cycle of changes is a setting, so it is that of every seed."""
    events = tables.get("events", TABLES["events"].empty())  # captures from elsewhere have none
    for event, colour, line in (
        ("server-removed", style.REMOVAL_COLOUR, "--"),
        ("server-added", style.ADDITION_COLOUR, ":"),
    ):
        for number, t in enumerate(numbers(rows(events, point=point["point"], event=event), "t_s")):
            label = event.replace("-", " ") if number == 0 else f"_{event}"
            axes.axvline(t, color=colour, linestyle=line, linewidth=0.8, zorder=1.5, label=label)


def _main_seconds(tables: Tables, point: Point) -> pa.Table:
    """The point's whole seconds of the direction that has more payload."""
    seconds = rows(tables["seconds"], point=point["point"], whole=True)
    total = {way: numbers(rows(seconds, direction=way), "payload_bytes").sum() for way in ("to-client", "to-server")}
    return rows(seconds, direction=max(total, key=lambda way: total[way]))


def _paths(table: pa.Table, points: Sequence[Point]) -> list[Path]:
    """The paths of these points, the director's first."""
    ids = {point["point"] for point in points}
    columns = (table["point"].to_pylist(), table["path"].to_pylist(), table["server"].to_pylist())
    found = {(path, server or "") for point, path, server in zip(*columns, strict=True) if point in ids}
    return sorted(found, key=lambda each: ({"director": 0, "past": 1}.get(each[0], 2), each[1]))


def draw_bytes(figure: Figure, tables: Tables, points: Sequence[Point]) -> bool:
    """One bar per point: the share of its payload on each path; beside it the bytes, and shares too small to see.

    Points that differ in their seed alone are one bar: the mean of their shares, each with the least and the most.
    """
    there = set(tables["subflows"]["point"].to_pylist())
    shown = repeats([point for point in points if point["point"] in there])
    if not shown:
        return False
    figure.set_figheight(1.9 + _BAR_INCHES * len(shown))
    axes = figure.subplots()
    every = {point["point"]: _bytes(tables["subflows"], point) for _, members in shown for point in members}
    order = sorted({key for by_path in every.values() for key in by_path}, key=lambda k: (k[0] != "director", k))
    for row, (_, members) in enumerate(shown):
        _bar(axes, row, [every[point["point"]] for point in members], order, members[0]["service_path"])
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25))
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.set_xlabel("Payload, retransmissions included")
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    if any(len(members) > 1 for _, members in shown):
        axes.set_title("mean of the seeds; bars: minimum and maximum", loc="left", fontsize=8.5)
    legend(figure, [axes], 3)
    return True


def _bar(axes: Axes, row: int, seeds: Sequence[Mapping[Path, float]], order: Sequence[Path], service_path: str) -> None:
    """One stacked bar; the line at the end of each part is the spread of that part over the seeds."""
    shares = np.array([[100 * by.get(key, 0.0) / (sum(by.values()) or 1.0) for key in order] for by in seeds])
    left, remarks = 0.0, [_size(float(np.mean([sum(by.values()) for by in seeds])))]
    for place, key in enumerate(order):
        if not (share := float(shares[:, place].mean())):
            continue
        axes.barh(
            row, share, 0.7, left, color=style.scheme(place).colour, edgecolor="white",
            hatch=_HATCHES[place % len(_HATCHES)], linewidth=0.5, zorder=3, label=path_name(*key, service_path),
        )  # fmt: skip
        left += share
        if share < _SMALL_PERCENT:
            remarks.append(f"{path_name(*key, service_path)} {share:.2g} %")
        elif len(seeds) > 1 and left < 100 - _SMALL_PERCENT:
            ends = np.abs(np.array([shares[:, place].min(), shares[:, place].max()]) - share)
            bar = axes.errorbar(left, row, xerr=ends.reshape(2, 1), fmt="none", ecolor="black", zorder=4)
            for each in bar.get_children():
                each.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    axes.annotate(
        "\n".join(remarks), (100, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5,
        annotation_clip=False,
    )  # fmt: skip


def _size(of_bytes: float) -> str:
    return f"{of_bytes / 1e9:.4g} GB" if of_bytes >= 1e9 else f"{of_bytes / 1e6:.4g} MB"


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
