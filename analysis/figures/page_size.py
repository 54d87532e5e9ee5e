"""Figures over the page size (Figs. 6 to 11): transfer rate and requests per second, a curve per protocol or scheme."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatter, NullLocator

from analysis.figures import style
from analysis.figures.arms import Arm, arms_of
from analysis.figures.declaration import Data, Figure
from analysis.summary import paper_values
from analysis.summary.model import PointSummary

_Value = Callable[[PointSummary], float | None]
_LIMIT_LABEL = "wire limit"
_PAPER_LABEL = "printed in the paper"


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw both panels; False when no point has a value to show."""
    shown = [point for point in data.summaries if point.object_bytes > 0 and point.goodput_bps is not None]
    if not shown:
        return False
    rate, requests = canvas.subplots(2, 1, sharex=True)
    arms = arms_of(data, shown)
    _curves(rate, arms, _megabits)
    _curves(requests, arms, lambda point: point.requests_per_s)

    sizes = sorted({point.object_bytes / 1000 for point in shown})
    rate.set_ylabel("Transfer rate (Mbit/s)")
    rate.set_ylim(bottom=0)
    _wire_limits(rate, shown)
    _paper_values(rate, shown)
    requests.set_ylabel("Requests per second")
    requests.set_yscale("log")
    requests.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    requests.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=style.MINOR_TICKS))
    requests.set_xlabel("Page size (KB)")
    requests.set_xscale("log")
    requests.set_xlim(sizes[0] / 1.35, sizes[-1] * 1.35)
    requests.xaxis.set_major_locator(FixedLocator(sizes))
    requests.xaxis.set_minor_locator(NullLocator())
    requests.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

    if any(len(valid) > len({point.object_bytes for point in valid}) for valid in map(_valid, arms)):
        rate.set_title("mean over seeds; bars: minimum and maximum", loc="left", fontsize=8.5)
    handles, labels = rate.get_legend_handles_labels()
    last = (_LIMIT_LABEL, _PAPER_LABEL)
    ordered = sorted(zip(handles, labels, strict=True), key=lambda entry: entry[1].startswith(last))
    handles, labels = [handle for handle, _ in ordered], [text for _, text in ordered]
    columns = style.legend_columns(labels, canvas.get_figwidth())
    canvas.legend(handles, labels, loc="outside lower center", ncols=columns)
    return True


def _valid(arm: Arm) -> list[PointSummary]:
    return [point for point in arm.points if point.valid]


def _megabits(point: PointSummary) -> float | None:
    return None if point.goodput_bps is None else point.goodput_bps / 1e6


def _curves(axes: Axes, arms: Sequence[Arm], value: _Value) -> None:
    for arm in arms:
        look = arm.look
        valid: dict[float, list[float]] = defaultdict(list)
        for point in arm.points:
            measured = value(point)
            if measured is None:
                continue
            if point.valid:
                valid[point.object_bytes / 1000].append(measured)
                continue
            axes.plot(
                [point.object_bytes / 1000], [measured], linestyle="none", marker=look.marker, markersize=8,
                markerfacecolor="none", markeredgecolor=look.colour, markeredgewidth=1.3, zorder=4,
                label="_invalid",
            )  # fmt: skip
        sizes = sorted(valid)
        means = [sum(valid[size]) / len(valid[size]) for size in sizes]
        # The mean of equal numbers can miss them by its last bit, and a length below zero is none.
        below = [max(mean - min(valid[size]), 0.0) for size, mean in zip(sizes, means, strict=True)]
        above = [max(max(valid[size]) - mean, 0.0) for size, mean in zip(sizes, means, strict=True)]
        axes.errorbar(
            sizes, means, yerr=[below, above] if any(above) else None,
            color=look.colour, marker=look.marker, linestyle=look.line, zorder=3, label=arm.name,
        )  # fmt: skip


def _wire_limits(axes: Axes, points: Sequence[PointSummary]) -> None:
    """A dotted line per distinct limit; the legend gives their values."""
    names: dict[float, set[str]] = defaultdict(set)
    for point in points:
        if point.wire_limit_bps:
            names[round(point.wire_limit_bps / 1e6, 1)].add(point.protocol.upper())
    if not names:
        return
    axes.set_ylim(0, max(*names, axes.get_ylim()[1] / 1.05) * 1.05)
    values = ", ".join(f"{style.label(' and '.join(sorted(names[limit])))} {limit:g}" for limit in sorted(names))
    for limit in sorted(names):
        label = f"{_LIMIT_LABEL}: {values}" if limit == min(names) else f"_{_LIMIT_LABEL}"
        axes.axhline(limit, color=style.LIMIT_COLOUR, linestyle=":", linewidth=1.1, zorder=2, label=label)


def _paper_values(axes: Axes, points: Sequence[PointSummary]) -> None:
    """A mark at each size that is shown for what the paper prints of it; the legend gives the values."""
    sizes = sorted({point.object_bytes for point in points})
    values = [
        (value, [size for size in sizes if value.is_of(size)]) for value in paper_values.of_figure(points[0].figure)
    ]
    shown = [(value, of_it) for value, of_it in values if of_it]
    named = ", ".join(f"{value.protocol.upper()} {value.mbps:g}" for value, _ in shown)
    for value, of_it in shown:
        label = f"{_PAPER_LABEL}: {named}" if value is shown[0][0] else f"_{_PAPER_LABEL}"
        axes.plot(
            [size / 1000 for size in of_it], [value.mbps] * len(of_it), linestyle="none", marker="+", markersize=11,
            markeredgewidth=2.0, color=style.PAPER_COLOUR, zorder=5, label=label,
        )  # fmt: skip
        axes.set_ylim(0, max(axes.get_ylim()[1], value.mbps * 1.05))


FIGURE = Figure(
    "page-size",
    "transfer rate and requests over the page size",
    "experiment",
    draw,
    description="transfer rate and requests per second against the page size",
    inches=(6.4, 6.0),
)
