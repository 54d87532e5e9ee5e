"""RSTs per second, stacked by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.run_figures.selection import first_panels, legend, numbers, panels_of, point_name, rows

_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
_MOST_CAUSES = 6


def _causes(resets: pa.Table) -> list[str]:
    """Why each RST was sent, with the change of routes behind it."""
    pairs = zip(resets["cause"].to_pylist(), resets["churn"].to_pylist(), strict=True)
    return [f"{cause}, server {churn}" if churn else cause for cause, churn in pairs]


def draw_resets(figure: Figure, tables: Mapping[str, pa.Table], points: Sequence[dict[str, Any]]) -> bool:
    """One panel per point with RSTs in its workload; rare causes are drawn together as 'others'."""
    within = rows(tables["resets"], in_workload=True)
    shown, note = first_panels([each for each in points if len(rows(within, point=each["point"]))])
    if not shown:
        return False
    ids = pa.array([point["point"] for point in shown])
    counted = Counter(_causes(within.filter(pc.is_in(within["point"], ids))))
    names = [name for name, _ in counted.most_common(_MOST_CAUSES)]
    panels = panels_of(figure, len(shown), note)
    for axes, point in zip(panels, shown, strict=True):
        mine = rows(within, point=point["point"])
        at = numbers(mine, "t_s")
        causes = np.array([name if name in names else "others" for name in _causes(mine)])
        edges = np.arange(0, int(at.max()) + 2)
        bottom = np.zeros(len(edges) - 1)
        for place, name in enumerate([*names, "others"]):
            if not (causes == name).any():
                continue
            height, _ = np.histogram(at[causes == name], edges)
            axes.bar(
                edges[:-1], height, 1.0, bottom, align="edge", color=style.scheme(place).colour, edgecolor="white",
                hatch=_HATCHES[place % len(_HATCHES)], linewidth=0.3, zorder=3, label=name,
            )  # fmt: skip
            bottom += height
        axes.set_title(point_name(point, points), loc="left")
        axes.set_ylabel("RST per second")
        axes.set_xlim(left=0)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[-1].set_xlabel("Time since the workload's start (s)")
    legend(figure, panels, 2)
    return True
