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
    ("backup_s", "made a backup (MP_PRIO)", "D", "#CC79A7"),
)
# By kind, in the table of announcements.
_ANNOUNCEMENTS = {
    "announcement": ("ADD_ADDR", "^", "#E69F00"),
    "repeat": ("ADD_ADDR again", "^", "#ffffff"),
    "echo": ("its echo", "v", "#E69F00"),
}
_ENDS = {"closed": ("s", "#009E73"), "half-closed": ("s", "#ffffff"), "reset": ("X", "#D55E00")}
_OTHER_END = (">", "#555555")
_CROWDED = 20
"""A start is drawn apart where its marks would fill less than one part in so many of the time line."""


def draw_subflows(
    figure: Figure, tables: Mapping[str, pa.Table], points: Sequence[dict[str, Any]], connection: int | None
) -> bool:
    """The subflows of the first connections of one point, or those of `connection` alone.

    A thin line spans the time from the SYN to the end, a thick one that from the first to the last payload. Where all
    that is signalled would fall into one spot, a second panel has each connection's start, from its first SYN on.
    """
    (point,) = points
    mine, said = (rows(tables[name], point=point["point"]) for name in ("subflows", "announcements"))
    if connection is not None:
        mine, said = (rows(table, connection=connection) for table in (mine, said))
    chosen = [each for each in mine.to_pylist() if each["syn_s"] is not None]
    chosen.sort(key=lambda each: (each["connection"], each["subflow"]))
    if not chosen:
        return False
    left_out = len(chosen) - _MOST_ROWS
    chosen = chosen[:_MOST_ROWS]
    announced = _by_subflow(said, {(each["connection"], each["subflow"]) for each in chosen})
    for each in chosen:
        each["announcements"] = announced.get((each["connection"], each["subflow"]), ())
    last_s = max(each[name] or 0.0 for each in chosen for name in ("end_s", *_DATA))
    zoom_s = _zoom(chosen, last_s)
    whole, *start = figure.subplots(1, 1 if zoom_s is None else 2, sharey=True, squeeze=False)[0]
    for row, each in enumerate(chosen):
        _draw(whole, row, each, last_s)
    for axes in start:
        first_s = {each["connection"]: each["syn_s"] for each in reversed(chosen)}
        for row, each in enumerate(chosen):
            _draw(axes, row, _shifted(each, first_s[each["connection"]]), last_s - first_s[each["connection"]])
        axes.set_xlim(-0.03 * (zoom_s or 0.0), zoom_s)
        axes.set_xlabel("Time since the connection's first SYN (s)")
    whole.set_yticks(range(len(chosen)), [_name(each, point["scenario"]) for each in chosen])
    whole.set_ylim(len(chosen) - 0.4, -0.6)
    for axes in (whole, *start):
        axes.grid(axis="y", visible=False)
    whole.set_xlabel("Time since the workload's start (s)")
    if left_out > 0:
        whole.set_title(f"the first {_MOST_ROWS} subflows; {left_out} more are not drawn", loc="left", fontsize=8.5)
    legend(figure, [whole, *start], 3)
    return True


def _by_subflow(said: pa.Table, wanted: set[tuple[int, int]]) -> dict[tuple[int, int], list[tuple[str, float]]]:
    """What was announced on each wanted subflow: kind and time."""
    found: dict[tuple[int, int], list[tuple[str, float]]] = {}
    for each in said.to_pylist():
        key = (each["connection"], each["subflow"])
        if key in wanted:
            found.setdefault(key, []).append((each["kind"], each["t_s"]))
    return found


def _zoom(chosen: Sequence[dict[str, Any]], last_s: float) -> float | None:
    """How many seconds of each connection's start have all that was signalled; None: no need to look closer."""
    first_s = {each["connection"]: each["syn_s"] for each in reversed(chosen)}
    marks = [
        t_s - first_s[each["connection"]]
        for each in chosen
        for t_s in (*(each[name] for name, *_ in _MARKS), *(t_s for _, t_s in each["announcements"]))
        if t_s is not None
    ]
    span_s = last_s - min(first_s.values())
    latest = max(marks)
    return 1.1 * latest if 0 < latest < span_s / _CROWDED else None


_TIMES = ("syn_s", "established_s", "backup_s", "end_s", *(
    f"{which}_data_to_{side}_s" for which in ("first", "last") for side in ("client", "server")
))  # fmt: skip


def _shifted(subflow: dict[str, Any], by_s: float) -> dict[str, Any]:
    """The subflow on a clock that is 0 at `by_s`."""
    moved = {name: None if subflow[name] is None else subflow[name] - by_s for name in _TIMES}
    return {**subflow, **moved, "announcements": [(kind, t_s - by_s) for kind, t_s in subflow["announcements"]]}


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
    for kind, t_s in subflow["announcements"]:
        label, marker, colour = _ANNOUNCEMENTS[kind]
        axes.plot(
            t_s, row, marker=marker, markerfacecolor=colour, markeredgecolor="black", markeredgewidth=0.6,
            linestyle="none", zorder=4, label=label,
        )  # fmt: skip
    marker, colour = _ENDS.get(subflow["end"], _OTHER_END)
    axes.plot(
        end_s, row, marker=marker, markerfacecolor=colour, markeredgecolor="black", markeredgewidth=0.6,
        linestyle="none", markersize=6, zorder=5, label=f"end: {subflow['end']}",
    )  # fmt: skip
