"""The life of subflows: one row each, from the first SYN to the end, with what was signalled on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.run_figures.selection import legend, path_name, rows

_MOST_ROWS = 24
_MARKS = (
    ("syn_s", "SYN", "|", "#000000"),
    ("established_s", "established", "o", "#ffffff"),
    ("add_addr_s", "first ADD_ADDR", "^", "#E69F00"),
    ("add_addr_echo_s", "its echo", "v", "#E69F00"),
    ("backup_s", "made a backup (MP_PRIO)", "D", "#CC79A7"),
)
_ENDS = {"closed": ("s", "#009E73"), "half-closed": ("s", "#ffffff"), "reset": ("X", "#D55E00")}
_OTHER_END = (">", "#555555")


def draw_subflows(
    figure: Figure, tables: Mapping[str, pa.Table], points: Sequence[dict[str, Any]], connection: int | None
) -> bool:
    """The subflows of the first connections of one point, or those of `connection` alone.

    A thin line spans the time from the SYN to the end, a thick one that from the first to the last payload.
    """
    (point,) = points
    mine = rows(tables["subflows"], point=point["point"])
    if connection is not None:
        mine = rows(mine, connection=connection)
    chosen = [each for each in mine.to_pylist() if each["syn_s"] is not None]
    chosen.sort(key=lambda each: (each["connection"], each["subflow"]))
    if not chosen:
        return False
    left_out = len(chosen) - _MOST_ROWS
    chosen = chosen[:_MOST_ROWS]
    last_s = max(each[name] or 0.0 for each in chosen for name in ("end_s", *_DATA))
    axes = figure.subplots()
    for row, each in enumerate(chosen):
        _draw(axes, row, each, last_s)
    axes.set_yticks(range(len(chosen)), [_name(each, point["scenario"]) for each in chosen])
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Time since the workload's start (s)")
    if left_out > 0:
        axes.set_title(f"the first {_MOST_ROWS} subflows; {left_out} more are not drawn", loc="left", fontsize=8.5)
    legend(figure, [axes], 3)
    return True


_DATA = ("last_data_to_client_s", "last_data_to_server_s")


def _name(subflow: dict[str, Any], scenario: str) -> str:
    path = path_name(subflow["path"], subflow["server"], scenario)
    return f"{subflow['connection']}.{subflow['subflow']}  {path}"


def _draw(axes: Axes, row: int, subflow: dict[str, Any], last_s: float) -> None:
    end_s = subflow["end_s"] if subflow["end_s"] is not None else last_s
    axes.plot([subflow["syn_s"], end_s], [row, row], color="#888888", linewidth=0.8, zorder=2)
    for direction, offset, colour, line in (
        ("client", -0.17, "#0072B2", "-"),
        ("server", 0.17, "#56B4E9", (0, (2, 1))),
    ):
        first, last = (subflow[f"{which}_data_to_{direction}_s"] for which in ("first", "last"))
        if first is not None:
            axes.plot(
                [first, last], [row + offset, row + offset], color=colour, linestyle=line, linewidth=3, zorder=3,
                solid_capstyle="butt", label=f"payload to the {direction}",
            )  # fmt: skip
    for column, label, marker, colour in _MARKS:
        if subflow[column] is not None:
            axes.plot(
                subflow[column], row, marker=marker, markerfacecolor=colour, markeredgecolor="black",
                markeredgewidth=0.6, linestyle="none", zorder=4, label=label,
            )  # fmt: skip
    marker, colour = _ENDS.get(subflow["end"], _OTHER_END)
    axes.plot(
        end_s, row, marker=marker, markerfacecolor=colour, markeredgecolor="black", markeredgewidth=0.6,
        linestyle="none", markersize=6, zorder=5, label=f"end: {subflow['end']}",
    )  # fmt: skip
