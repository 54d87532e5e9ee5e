"""Routes over time, below link utilisation and RSTs: to whom the client's router led what, from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.timeline import draw_panels

Row = dict[str, Any]

_SHADES = ("#BBBBBB", "#56B4E9", "#E69F00", "#009E73", "#CC79A7")
"""Of the neighbours that a route leads to, in order of their first route."""


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw all three panels; False when no point has a series to show."""
    utilisation, resets, routes = canvas.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    if not draw_panels(canvas, (utilisation, resets), data):
        return False
    shown = [point["point"] for point in data.points if point["valid"]] or [point["point"] for point in data.points]
    mine = [row for row in data.tables["routes"].to_pylist() if row["point"] in shown[:1] and row["is_first"]]
    _routes(routes, mine, end_s=utilisation.get_xlim()[1])
    routes.set_xlabel("Time since the workload's start (s)")
    return True


def _routes(axes: Axes, rows: Sequence[Row], end_s: float) -> None:
    """A bar for each address: by whom it was reached, and when that changed."""
    targets = list(dict.fromkeys(row["leads_to"] for row in rows if row["leads_to"]))
    looks: dict[str, str] = {}
    for place, target in enumerate(targets):
        steps = [row for row in rows if row["leads_to"] == target]
        ends_s = [*(row["t_s"] for row in steps[1:]), end_s]
        for row, until_s in zip(steps, ends_s, strict=True):
            if row["change"] == "deleted":
                continue
            via = str(row["via"])
            known = via in looks
            colour = looks.setdefault(via, _SHADES[len(looks) % len(_SHADES)])
            axes.barh(
                place, until_s - row["t_s"], 0.7, left=row["t_s"], color=colour,
                label=f"_{via}" if known else f"by {via}",
            )  # fmt: skip
            if row["t_s"] > 0:
                axes.plot([row["t_s"]] * 2, [place - 0.45, place + 0.45], color=style.LIMIT_COLOUR, linewidth=1.2)
    names = ["service" if target == "service" else f"{target}, unique" for target in targets]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    node = rows[0]["node"] if rows else ""
    axes.set_ylabel(f"Routes of {node}")
    if looks:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


FIGURE = Figure(
    "rerouting",
    "link utilisation, RSTs and routes over time",
    "experiment",
    draw,
    description="link utilisation and RSTs per second over time, and by which neighbour the client's router reached "
    "the service address and each server's own",
    tables=("routes",),
    inches=(7.6, 7.2),
)
