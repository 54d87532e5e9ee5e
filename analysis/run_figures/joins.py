"""How long connections waited for their first join: cumulative distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis import style
from analysis.run_figures.selection import legend, numbers, point_name, rows

_SHOWN_S = 1e-6  # a wait of nothing has no place on a logarithmic axis


def draw_join_delay(figure: Figure, tables: Mapping[str, pa.Table], points: Sequence[dict[str, Any]]) -> bool:
    """One step curve per kind of point, to the share that joined at all; seeds are pooled, invalid ones apart."""
    without_seed = [{**point, "seed": None} for point in points]
    pooled: dict[str, list[Any]] = {}
    for point, alike in zip(points, without_seed, strict=True):
        mine = rows(tables["connections"], point=point["point"], protocol="mptcp")
        if len(mine):
            pooled.setdefault(point_name(alike, without_seed), []).append(numbers(mine, "join_wait_s"))
    if not pooled:
        return False
    axes = figure.subplots()
    for place, (name, parts) in enumerate(pooled.items()):
        waits = np.concatenate(parts)
        known = np.sort(waits[~np.isnan(waits)]).clip(min=_SHOWN_S)
        look = style.scheme(place)
        share = np.arange(1, len(known) + 1) / len(waits)
        axes.step(
            known, share, where="post", color=look.colour, linestyle=look.line, marker=look.marker,
            markevery=(place * max(len(known) // 30, 1), max(len(known) // 4, 1)),
            label=f"{name} ({len(known)} of {len(waits)})",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("From the initial SYN+ACK to the first SYN+ACK of a join (s)")
    axes.set_ylabel("Connections that have joined")
    legend(figure, [axes], 2)
    return True
