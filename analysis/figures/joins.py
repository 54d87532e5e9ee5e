"""How long connections waited for their first join: cumulative distributions."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import PercentFormatter

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.selection import Numbers, legend, numbers, repeats, rows
from analysis.figures.time_axis import durations

_SHOWN_S = 1e-6  # a wait of nothing has no place on a logarithmic axis
_ANY_S = (0.01, 1.0)  # the axis where nothing joined
_ENTRY_INCHES = 0.19


def draw(canvas: Canvas, data: Data) -> bool:
    """One step curve per kind of point, to the share that joined at all; invalid ones apart.

    Seeds are pooled, and a band spans their own curves.
    """
    found: list[tuple[str, list[Numbers]]] = []
    for name, members in repeats(data.points):
        parts = [rows(data.tables["connections"], point=point["point"], protocol="mptcp") for point in members]
        if any(map(len, parts)):
            found.append((name, [numbers(part, "join_wait_s") for part in parts if len(part)]))
    if not found:
        return False
    canvas.set_figheight(4.0 + _ENTRY_INCHES * math.ceil(len(found) / 2))
    axes = canvas.subplots()
    for place, (name, seeds) in enumerate(found):
        waits = np.concatenate(seeds)
        known = _known(waits)
        look = style.scheme(place)
        if len(seeds) > 1:
            shares = [np.searchsorted(_known(seed), known, side="right") / len(seed) for seed in seeds]
            axes.fill_between(
                known, np.min(shares, axis=0), np.max(shares, axis=0), step="post", color=look.colour, alpha=0.2,
                linewidth=0,
            )  # fmt: skip
        axes.step(
            known, np.arange(1, len(known) + 1) / len(waits), where="post", color=look.colour, linestyle=look.line,
            marker=look.marker, markerfacecolor=look.face, markersize=4.5,
            markevery=(place * max(len(known) // 30, 1), max(len(known) // 4, 1)),
            label=f"{name}: {len(known)} of {len(waits)}",
        )  # fmt: skip
    if any(len(seeds) > 1 for _, seeds in found):
        axes.set_title("seeds pooled; band: minimum to maximum", loc="left", fontsize=8.5)
    every = np.concatenate([_known(seed) for _, seeds in found for seed in seeds])
    durations(axes, *((every.min() / 1.5, every.max() * 1.5) if len(every) else _ANY_S))
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("From the initial SYN+ACK to the first SYN+ACK of a join")
    axes.set_ylabel("Connections that have joined")
    legend(canvas, [axes], 2)
    return True


def _known(waits: Numbers) -> Numbers:
    """The waits of those that joined, in order."""
    found: Numbers = np.sort(waits[~np.isnan(waits)]).clip(min=_SHOWN_S)
    return found


FIGURE = Figure("join-delay", "wait for the first join", "run", draw, tables=("connections",))
