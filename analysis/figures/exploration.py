"""The pictures of an exploration: which packet costs how much, and when a change does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogFormatter

from analysis.figures import style

OUTCOMES = ("ok", "slower", "reset", "error", "hangs", "damaged", "not applied")
_COLOURS = ("#DDEEDD", "#E69F00", "#CC3311", "#882255", "#000000", "#AA0DFE", "#BBBBBB")
_LEAST_COST_S = 1e-4
_ROW_INCHES, _HEAD_INCHES = 0.28, 3.0


def packets(rows: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], title: str) -> Canvas:
    """Packet by packet of the base line what each fault led to, and above it what the dearest cost."""
    kinds = list(dict.fromkeys(_kind(row) for row in rows))
    numbers = [int(each["packet"]) for each in base]
    grid = np.full((len(kinds), max(numbers, default=0)), np.nan)
    costs = np.zeros(max(numbers, default=0))
    for row in rows:
        place = int(row["packet"]) - 1
        grid[kinds.index(_kind(row)), place] = _outcome(row)
        if row["extra_s"] is not None and row["applied"]:
            costs[place] = max(costs[place], row["extra_s"] - (row["delay_s"] or 0.0))
    with style.settings():
        canvas = Canvas(figsize=(11, _HEAD_INCHES + _ROW_INCHES * len(kinds)), layout="constrained")
        FigureCanvasAgg(canvas)
        top, below = canvas.subplots(2, 1, sharex=True, height_ratios=[2, max(1, len(kinds) / 3)])
        _draw_costs(top, costs, base)
        _draw_grid(below, grid, kinds)
        _legend(canvas, grid)
        canvas.suptitle(style.folded(title, canvas.get_figwidth()), fontsize=style.TITLE_SIZE)
    return canvas


def _draw_costs(axes: Any, costs: Any, base: Sequence[Mapping[str, Any]]) -> None:
    places = np.arange(1, len(costs) + 1)
    for direction, colour in (("client to server", "#0072B2"), ("server to client", "#D55E00")):
        mine = np.array([each["direction"] == direction for each in base])
        shown = np.maximum(costs[mine], _LEAST_COST_S)
        axes.bar(places[mine], shown, width=0.8, color=colour, label=f"from {direction}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=style.MINOR_TICKS))
    axes.set_ylim(_LEAST_COST_S, None)
    axes.set_ylabel("most that a fault\nadds, s")
    axes.legend(ncols=2, loc="upper right")
    for each in base:
        if each["kind"] not in ("data", "ACK"):
            place = int(each["packet"])
            axes.annotate(
                style.label(each["kind"]),
                (place, _LEAST_COST_S * 1.3),
                rotation=90,
                fontsize=6,
                ha="center",
                va="bottom",
            )


def _draw_grid(axes: Any, grid: Any, kinds: Sequence[str]) -> None:
    look = ListedColormap(_COLOURS)
    extent = (0.5, grid.shape[1] + 0.5, len(kinds) - 0.5, -0.5)
    axes.imshow(
        grid, aspect="auto", cmap=look, vmin=-0.5, vmax=len(OUTCOMES) - 0.5, extent=extent, interpolation="none"
    )
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_xlabel("packet of the connection, in the order in which they pass in front of the client")
    axes.grid(visible=False)


def _legend(canvas: Canvas, grid: Any) -> None:
    """The outcomes that there are, below the label of the axis."""
    there = sorted({int(each) for each in grid[~np.isnan(grid)]})
    marks = [Patch(facecolor=_COLOURS[n], edgecolor="#888888", label=OUTCOMES[n]) for n in there]
    canvas.legend(handles=marks, ncols=len(marks) or 1, loc="outside lower center")


def _kind(row: Mapping[str, Any]) -> str:
    return f"late by {row['delay_s'] * 1e3:.3g} ms" if row["fault"] == "delayed" else str(row["fault"])


def _outcome(row: Mapping[str, Any]) -> int:
    return OUTCOMES.index(row["outcome"] if row["applied"] else "not applied")
