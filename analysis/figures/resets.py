"""RSTs per second, stacked by cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures import style
from analysis.figures.causes import in_order, look, named
from analysis.figures.declaration import Data, Figure
from analysis.figures.over_time import in_words, step_s
from analysis.figures.selection import Numbers, first_panels, is_over_time, legend, numbers, panels_of, repeats, rows

# Of one point: when its RSTs were sent, and the name of each one's cause.
_Sent = tuple[Numbers, NDArray[np.object_]]


def draw(canvas: Canvas, data: Data) -> bool:
    """One panel per point with RSTs in its workload, or per group of seeds: their mean, and the least and the most.

    The legend has the number of RSTs of each cause, over all panels, so that a cause too rare to be seen is read.
    """
    within = rows(data.tables["resets"], in_workload=True)
    some = set(within["point"].to_pylist())
    groups = [
        (name, members) for name, members in repeats(data.points) if any(each["point"] in some for each in members)
    ]
    shown, note = first_panels(groups)
    if not shown:
        return False
    sent = {point["point"]: _sent(within, point["point"]) for _, members in shown for point in members}
    every = np.concatenate([causes for _, causes in sent.values()])
    labels = {name: f"{style.label(name)}: {np.count_nonzero(every == name)}" for name in in_order(every.tolist())}
    panels = panels_of(canvas, len(shown), note)
    for axes, (title, members) in zip(panels, shown, strict=True):
        step = _bars(axes, [sent[point["point"]] for point in members], labels)
        axes.set_title(title, loc="left")
        axes.set_ylabel("RST per second" if step == 1 else f"RST per {in_words(step)}")
        axes.set_xlim(left=0)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[-1].set_xlabel("Time since the workload's start (s)")
    legend(canvas, panels, 2, f"RSTs by cause, in all {len(sent)} points" if len(sent) > 1 else "")
    return True


def _sent(within: pa.Table, point: str) -> _Sent:
    mine = rows(within, point=point)
    return numbers(mine, "t_s"), np.array(named(mine), object)


def _bars(axes: Axes, seeds: Sequence[_Sent], labels: Mapping[str, str]) -> int:
    """Draw the bars; returns the seconds of one."""
    last = int(max(at.max(initial=0.0) for at, _ in seeds))
    step = step_s(last)
    edges = np.arange(0, last + 1 + step, step)
    bottom = np.zeros(len(edges) - 1)
    for name, label in labels.items():
        height = np.mean([np.histogram(at[causes == name], edges)[0] for at, causes in seeds], axis=0)
        if not height.any():
            continue
        filled, high = look(name), height > 0  # most seconds have none, and each bar is a drawing of its own
        axes.bar(
            edges[:-1][high], height[high], step, bottom[high], align="edge", color=filled.colour,
            edgecolor=filled.hatch_colour, hatch=filled.hatch, linewidth=0.3, zorder=3, label=label,
        )  # fmt: skip
        bottom += height
    if len(seeds) > 1:
        totals = np.array([np.histogram(at, edges)[0] for at, _ in seeds])
        spread = np.abs(np.array([totals.min(axis=0), totals.max(axis=0)]) - bottom)
        there = totals.any(axis=0)
        axes.errorbar(
            edges[:-1][there] + step / 2, bottom[there], spread[:, there], fmt="none", ecolor="black", elinewidth=0.8,
            capsize=1.5, zorder=4, label="mean of the seeds; bars: minimum and maximum",
        )  # fmt: skip
    return step


FIGURE = Figure("resets", "RSTs by cause", "run", draw, tables=("resets",), unasked=is_over_time)
