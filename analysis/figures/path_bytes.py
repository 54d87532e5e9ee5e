"""Payload on each path in all: one bar per point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from analysis.figures import style
from analysis.figures.declaration import Data, Figure, Row
from analysis.figures.selection import legend, main_direction, numbers, path_name, repeats, rows, whose_address

Path = tuple[str, str]

_SMALL_PERCENT = 1.0
_BAR_INCHES = 0.3
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo")


def draw(canvas: Canvas, data: Data) -> bool:
    """One bar per point: the share of its payload on each path; beside it the bytes, and shares too small to see.

    Points that differ in their seed alone are one bar: the mean of their shares, each with the least and the most.
    """
    subflows = data.tables["subflows"]
    there = set(subflows["point"].to_pylist())
    shown = repeats([point for point in data.points if point["point"] in there])
    if not shown:
        return False
    canvas.set_figheight(1.9 + _BAR_INCHES * len(shown))
    axes = canvas.subplots()
    every = {point["point"]: _bytes(subflows, point) for _, members in shown for point in members}
    order = sorted({key for by_path in every.values() for key in by_path}, key=lambda k: (k[0] != "director", k))
    for row, (_, members) in enumerate(shown):
        _bar(
            axes,
            row=row,
            seeds=[every[point["point"]] for point in members],
            order=order,
            service_path=members[0]["service_path"],
        )
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25))
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.set_xlabel("Payload, retransmissions included")
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    if any(len(members) > 1 for _, members in shown):
        axes.set_title("mean of the seeds; bars: minimum and maximum", loc="left", fontsize=8.5)
    legend(canvas, [axes], 3)
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


def _bytes(subflows: pa.Table, point: Row) -> dict[Path, float]:
    """Payload in bytes by path, in the direction that has more of it."""
    mine = rows(subflows, point=point["point"])
    column = numbers(mine, main_direction(mine, "bytes_to_client", "bytes_to_server"))
    found: dict[Path, float] = {}
    subflows_of = mine.select(["path", "server", "server_evidence"]).to_pylist()
    for subflow, size in zip(subflows_of, np.nan_to_num(column), strict=True):
        # By the service address the server is a guess, and their path is one all the same.
        key = (subflow["path"], (whose_address(subflow) or "") if subflow["path"] == "past" else "")
        found[key] = found.get(key, 0.0) + float(size)
    return found


FIGURE = Figure("bytes", "bytes per path", "run", draw, tables=("subflows",))
