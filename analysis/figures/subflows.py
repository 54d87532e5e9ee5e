"""The life of subflows: one row each, from the first SYN to the end, with what was signalled on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import EngFormatter, MaxNLocator

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.selection import legend, path_name, rows, whose_address

_MOST_ROWS = 24
_ROW_INCHES = 0.26
_ABOVE, _ON, _BELOW = -0.3, 0.0, 0.3
"""Where a mark is, in rows from its subflow's line: what is sent in one moment must not cover each other."""
_MARKS = (
    ("syn_s", "SYN", "|", "#000000", _ON),
    ("established_s", "established", "o", "#ffffff", _ON),
    ("backup_s", "made a backup (MP_PRIO)", "D", "#CC79A7", _BELOW),
)
# By kind, in the table of announcements.
_ANNOUNCEMENTS = {
    "announcement": ("ADD_ADDR", "^", "#E69F00", _ABOVE),
    "repeat": ("ADD_ADDR again", "^", "#ffffff", _ABOVE),
    "echo": ("its echo", "v", "#E69F00", _ON),
}
_ENDS = {"closed": ("s", "#009E73"), "half-closed": ("s", "#ffffff"), "reset": ("X", "#D55E00")}
_OTHER_END = (">", "#555555")
_CROWDED = 20
"""A start is drawn apart where its marks would fill less than one part in so many of the time line."""


def draw(canvas: Canvas, data: Data) -> bool:
    """The subflows of the first connections of one point, or those of its one connection alone.

    A thin line spans the time from the SYN to the end, a thick one that from the first to the last payload. Where all
    that is signalled would fall into one spot, a second panel has each connection's start, from its first SYN on.
    """
    (point,) = data.points
    mine, said = (rows(data.tables[name], point=point["point"]) for name in ("subflows", "announcements"))
    if data.connection is not None:
        mine, said = (rows(table, connection=data.connection) for table in (mine, said))
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
    canvas.set_figheight(max(canvas.get_figheight(), 2.4 + _ROW_INCHES * len(chosen)))
    whole, *start = canvas.subplots(1, 1 if zoom_s is None else 2, sharey=True, squeeze=False)[0]
    first_s = _first_syns(chosen)
    for row, each in enumerate(chosen):
        # What falls into one spot there is in the other panel.
        from_s = each["syn_s"] if zoom_s is None else first_s[each["connection"]] + zoom_s
        _time_line(whole, row=row, subflow=each, last_s=last_s, from_s=from_s)
    for axes in start:
        for row, each in enumerate(chosen):
            since_s = first_s[each["connection"]]
            _time_line(axes, row=row, subflow=_shifted(each, since_s), last_s=last_s - since_s, from_s=0.0)
        axes.set_xlim(-0.03 * (zoom_s or 0.0), zoom_s)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(EngFormatter("s"))
        axes.set_xlabel("Time since the connection's first SYN")
    whole.set_yticks(range(len(chosen)), [_name(each, point["service_path"]) for each in chosen])
    whole.set_ylim(len(chosen) - 0.4, -0.6)
    for axes in (whole, *start):
        axes.grid(axis="y", visible=False)
    whole.set_xlabel("Time since the workload's start (s)")
    if left_out > 0:
        whole.set_title(f"the first {_MOST_ROWS} subflows; {left_out} more are not drawn", loc="left", fontsize=8.5)
    legend(canvas, [whole, *start], 3)
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
    """How many seconds of each connection's start hold what crowds there; None: no need to look closer.

    It is there for most of the signals or not at all: a few that come late stay in the panel of the whole.
    """
    first_s = _first_syns(chosen)
    signals = [
        t_s - first_s[each["connection"]]
        for each in chosen
        for t_s in (*(each[name] for name, *_ in _MARKS), *(t_s for _, t_s in each["announcements"]))
        if t_s is not None
    ]
    crowd_s = (last_s - min(first_s.values())) / _CROWDED
    crowded = [t_s for t_s in signals if t_s < crowd_s]
    return 1.1 * max(crowded) if 2 * len(crowded) > len(signals) and max(crowded) > 0 else None


def _first_syns(chosen: Sequence[dict[str, Any]]) -> dict[int, float]:
    """The time of each connection's first SYN."""
    return {each["connection"]: each["syn_s"] for each in reversed(chosen)}


_TIMES = ("syn_s", "established_s", "backup_s", "end_s", *(
    f"{which}_data_to_{side}_s" for which in ("first", "last") for side in ("client", "server")
))  # fmt: skip


def _shifted(subflow: dict[str, Any], by_s: float) -> dict[str, Any]:
    """The subflow on a clock that is 0 at `by_s`."""
    moved = {name: None if subflow[name] is None else subflow[name] - by_s for name in _TIMES}
    return {**subflow, **moved, "announcements": [(kind, t_s - by_s) for kind, t_s in subflow["announcements"]]}


_DATA = ("last_data_to_client_s", "last_data_to_server_s")


def _name(subflow: dict[str, Any], service_path: str) -> str:
    path = path_name(subflow["path"], whose_address(subflow), service_path)
    return f"{subflow['connection']}.{subflow['subflow']}  {path}"


def _time_line(axes: Axes, row: int, subflow: dict[str, Any], last_s: float, from_s: float) -> None:
    """One subflow, until `last_s` if it has no end, with those of its signals that come at `from_s` or later."""
    end_s = subflow["end_s"] if subflow["end_s"] is not None else last_s
    axes.plot([subflow["syn_s"], end_s], [row, row], color="#888888", linewidth=0.8, zorder=2)
    for direction, offset, colour, line in (
        ("client", -0.17, "#0072B2", "-"),
        ("server", 0.17, "#56B4E9", (0, (2, 1))),
    ):
        first, last = (subflow[f"{which}_data_to_{direction}_s"] for which in ("first", "last"))
        if first is None:
            continue
        # The mark shows a single packet, for which the line has no length.
        axes.plot(
            [first, max(first, min(last, end_s))], [row + offset] * 2, color=colour, linestyle=line, linewidth=3,
            solid_capstyle="butt", marker="|", markersize=4, markeredgewidth=1.2, zorder=3,
            label=f"payload to the {direction}",
        )  # fmt: skip
        if last > end_s:
            axes.plot(
                [max(first, end_s), last], [row + offset] * 2, color=colour, linestyle=":", linewidth=1.2, zorder=3,
                label="payload that comes after its end",
            )  # fmt: skip
    signals = [(subflow[column], *look) for column, *look in _MARKS]
    signals += [(t_s, *_ANNOUNCEMENTS[kind]) for kind, t_s in subflow["announcements"]]
    for t_s, label, marker, colour, offset in signals:
        if t_s is not None and t_s >= from_s:
            _mark(axes, t_s=t_s, height=row + offset, marker=marker, colour=colour, label=label)
    _mark(axes, end_s, row, *_ENDS.get(subflow["end"], _OTHER_END), f"end: {style.label(subflow['end'])}")


def _mark(axes: Axes, t_s: float, height: float, marker: str, colour: str, label: str) -> None:
    axes.plot(
        t_s, height, marker=marker, markerfacecolor=colour, markeredgecolor="black", markeredgewidth=0.6,
        linestyle="none", zorder=4, label=label,
    )  # fmt: skip


FIGURE = Figure("subflows", "subflows", "point", draw, tables=("subflows", "announcements"))
