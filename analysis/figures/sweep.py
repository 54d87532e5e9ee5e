"""The figure of a sweep: curves with their spread over one axis, a heat map over two, all points by axis over more.

Points that have the same values are repeats, of other seeds or object sizes: a curve is their mean with the least and
the most of them, a field of the map their mean. A panel per arm in a map, a curve per arm elsewhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogFormatter

from analysis.figures import style
from analysis.figures.arms import Arm, arms_of
from analysis.figures.declaration import Data, Figure
from analysis.summary.model import PointSummary
from analysis.summary.sweep import Axis, axes_of

_RATE = "Transfer rate (Mbit/s)"
_MOST_PANELS = 12
_WRITTEN = 100  # fields of a map that still have their number in it
_LOG_RATIO = 20.0
_SCALED = {"s": (1e3, "ms"), "bps": (1e-6, "Mbit/s"), "bytes": (1e-3, "KB"), "share": (1e2, "%"), "": (1.0, "")}


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw what suits the number of axes; False where no point of a sweep has a rate."""
    shown = [point for point in data.summaries if point.sweep and point.goodput_bps is not None]
    axes = [each for each in axes_of(shown) if len({each.text_of(point) for point in shown}) > 1]
    if not axes:
        return False
    arms = arms_of(data, shown, over_values=True)
    if len(axes) == 2 and _is_whole(axes, shown):
        _maps(canvas, axes, arms[:_MOST_PANELS])
        return True
    panels = axes[:_MOST_PANELS]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    canvas.set_figheight(canvas.get_figheight() * max(1.0, 0.7 * rows))
    found = np.atleast_1d(canvas.subplots(rows, columns, sharey=True, squeeze=False)).ravel()
    for panel, axis in zip(found, panels, strict=False):
        if len(axes) == 1:
            _curves(panel, axis, arms)
        else:
            _cloud(panel, axis, arms)
        _label(panel, axis, shown)
    for panel in found[len(panels) :]:
        panel.set_visible(False)
    for panel in found[::columns]:
        panel.set_ylabel(_RATE)
    found[0].set_ylim(bottom=0)
    handles, labels = found[0].get_legend_handles_labels()
    columns = style.legend_columns(labels, canvas.get_figwidth())
    canvas.legend(handles, labels, loc="outside lower center", ncols=columns)
    return True


def _value(axis: Axis, point: PointSummary) -> float | str:
    """Where a point stands on an axis: a number in the unit that is shown, or a text."""
    number = axis.number_of(point) if axis.is_number else None
    return axis.text_of(point) if number is None else number * _SCALED[axis.unit][0]


def _cells(axes: Sequence[Axis], points: Sequence[PointSummary]) -> set[tuple[float | str, ...]]:
    return {tuple(_value(axis, point) for axis in axes) for point in points}


def _is_whole(axes: Sequence[Axis], points: Sequence[PointSummary]) -> bool:
    """Whether every value of the one axis meets every value of the other."""
    return len(_cells(axes, points)) == math.prod(len(_cells([axis], points)) for axis in axes)


def _places(axis: Axis, points: Sequence[PointSummary]) -> list[float | str]:
    """The axis' values: numbers in their order, texts as they come."""
    values = list(dict.fromkeys(_value(axis, point) for point in points))
    return sorted(values) if axis.is_number else values


def _rate(point: PointSummary) -> float:
    return (point.goodput_bps or 0.0) / 1e6


def _curves(panel: Axes, axis: Axis, arms: Sequence[Arm]) -> None:
    for arm in arms:
        valid: dict[float | str, list[float]] = defaultdict(list)
        for point in arm.points:
            if point.valid:
                valid[_value(axis, point)].append(_rate(point))
            else:
                panel.plot(
                    [_value(axis, point)], [_rate(point)], linestyle="none", marker=arm.look.marker, markersize=8,
                    markerfacecolor="none", markeredgecolor=arm.look.colour, zorder=4, label="_invalid",
                )  # fmt: skip
        places = [place for place in _places(axis, arm.points) if place in valid]
        means = [sum(valid[place]) / len(valid[place]) for place in places]
        low, high = [min(valid[place]) for place in places], [max(valid[place]) for place in places]
        look = arm.look
        panel.plot(places, means, color=look.colour, marker=look.marker, linestyle=look.line, zorder=3, label=arm.name)
        if low != high:
            panel.fill_between(places, low, high, color=look.colour, alpha=0.18, linewidth=0, zorder=2)


def _cloud(panel: Axes, axis: Axis, arms: Sequence[Arm]) -> None:
    for arm in arms:
        for is_valid in (True, False):
            points = [point for point in arm.points if point.valid is is_valid]
            panel.plot(
                [_value(axis, point) for point in points], [_rate(point) for point in points], linestyle="none",
                marker=arm.look.marker, color=arm.look.colour, markerfacecolor=arm.look.face if is_valid else "none",
                zorder=3, label=arm.name if is_valid else "_invalid",
            )  # fmt: skip


def _label(panel: Axes, axis: Axis, points: Sequence[PointSummary]) -> None:
    panel.set_xlabel(style.label(_with_unit(axis)))
    numbers = [value for point in points if isinstance(value := _value(axis, point), float)]
    if axis.is_number and min(numbers) > 0 and max(numbers) / min(numbers) >= _LOG_RATIO:
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=style.MINOR_TICKS))


def _maps(canvas: Canvas, axes: Sequence[Axis], arms: Sequence[Arm]) -> None:
    """A panel per arm; all have the same colours."""
    across, up = axes
    every = [point for arm in arms for point in arm.points]
    columns, rows = _places(across, every), _places(up, every)
    found = canvas.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    canvas.set_figwidth(max(canvas.get_figwidth(), 3.2 * len(arms)))
    top = max(map(_rate, every), default=0.0) or 1.0
    image = None
    for panel, arm in zip(found, arms, strict=True):
        cells: dict[tuple[float | str, float | str], list[float]] = defaultdict(list)
        for point in arm.points:
            if point.valid:
                cells[_value(across, point), _value(up, point)].append(_rate(point))
        means = np.full((len(rows), len(columns)), np.nan)
        for (x, y), rates in cells.items():
            means[rows.index(y), columns.index(x)] = sum(rates) / len(rates)
        image = panel.imshow(means, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=top)
        panel.set_title(arm.name, loc="left")
        panel.set_xticks(range(len(columns)), [_tick(each) for each in columns], rotation=45 if len(columns) > 6 else 0)
        panel.set_yticks(range(len(rows)), [_tick(each) for each in rows])
        panel.grid(visible=False)
        panel.set_xlabel(style.label(_with_unit(across)))
        for (y, x), mean in np.ndenumerate(means) if means.size <= _WRITTEN else ():
            there = any((_value(across, p), _value(up, p)) == (columns[x], rows[y]) for p in arm.points)
            text = f"{mean:.3g}" if not np.isnan(mean) else "invalid" if there else "not measured"
            panel.text(x, y, text, ha="center", va="center", fontsize=7, color="w" if mean < 0.6 * top else "k")
    found[0].set_ylabel(style.label(_with_unit(up)))
    if image is not None:
        canvas.colorbar(image, ax=list(found), label=_RATE)


def _with_unit(axis: Axis) -> str:
    unit = _SCALED[axis.unit][1]
    return f"{axis.name} ({unit})" if unit else axis.name


def _tick(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else style.label(value)


FIGURE = Figure(
    "sweep",
    "over the swept settings",
    "experiment",
    draw,
    description="transfer rate over the swept settings",
    inches=(7.6, 4.4),
)
