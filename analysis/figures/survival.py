"""Which downloads survive a route that flips: by how often it does, a curve an object size, a panel an arm.

Enters: points of an experiment whose timetable has a `period_s` (`route-flips`), of all conditions together, and the
table of connections. A value is the share of the downloads that came whole: of these, and of those that did not, and
were reset, refused, never answered, or stood still when the workload ended, for `STALLED_S` or more. `ab` alone does
not tell: an MPTCP connection that has lost its last subflow says nothing to its application for a minute. What else is
under way at the end is in no count. Points that differ in their seed alone are pooled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from analysis.figures import style
from analysis.figures.arms import arms_of
from analysis.figures.declaration import Data, Figure
from analysis.figures.time_axis import durations
from analysis.summary.model import PointSummary

PERIOD = "period_s"
SEEN_WITHIN_S = 10.0
STALLED_S = 3.0
_PUBLISHED = (
    "Shaded: flips within 10 s, as Wei and Heidemann (TNSM 2018) saw them\n"
    "in some 0.15 % of pairs of vantage point and root letter."
)
Fates = tuple[int, int]
"""How many downloads came whole, and how many broke."""

_COLUMNS = ["point", "end", "syn_s", "last_new_data_s", "bytes_to_server", "distinct_to_client", "survived"]
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw a panel for each arm; False where no point has a period, or none has finished a download."""
    fates = fates_of(data)
    shown = [point for point in data.summaries if _period_s(point) is not None and point.id in fates]
    if not shown:
        return False
    arms = arms_of(data, shown)
    periods = sorted({each for point in shown if (each := _period_s(point))})
    panels = canvas.subplots(1, len(arms), squeeze=False, sharey=True)[0]
    sizes = sorted({point.object_bytes for point in shown})
    for axes, arm in zip(panels, arms, strict=True):
        durations(axes, periods[0] / 1.5, periods[-1] * 1.5)
        axes.axvspan(periods[0] / 1.5, SEEN_WITHIN_S, color=style.REMOVAL_SHADE, linewidth=0, zorder=0.5)
        for number, size in enumerate(sizes):
            _curve(axes, [point for point in arm.points if point.object_bytes == size], (size, number), fates)
        axes.set_title(arm.name, loc="left")
        axes.set_xlabel("The route flips every")
        axes.set_ylim(-3, 103)
    panels[0].set_ylabel("Downloads that survive (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        title=_PUBLISHED,
        title_fontsize=7.5,
    )
    return True


def _curve(axes: Axes, points: Sequence[PointSummary], which: tuple[int, int], fates: Mapping[str, Fates]) -> None:
    """One size, with its number: a marker at each period, hollow where a point is invalid."""
    size, number = which
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    label = f"{size / 1e6:g} MB" if size >= 10**6 else f"{size / 1e3:g} KB"
    of_period: dict[float, list[PointSummary]] = {}
    for point in points:
        of_period.setdefault(_period_s(point) or 0.0, []).append(point)
    for is_valid in (True, False):
        places = [each for each in sorted(of_period) if all(point.valid for point in of_period[each]) == is_valid]
        if places or is_valid:
            axes.plot(
                places, [survived_percent(of_period[each], fates) for each in places], color=colour, marker=marker,
                linestyle="-" if is_valid else "none", markerfacecolor=colour if is_valid else "white",
                label=label if is_valid else f"_{label}, invalid", zorder=3,
            )  # fmt: skip


def survived_percent(points: Sequence[PointSummary], fates: Mapping[str, Fates]) -> float:
    """The share of these points' downloads that survived."""
    whole, broken = (sum(fates[point.id][number] for point in points) for number in (0, 1))
    return 100 * whole / (whole + broken)


def fates_of(data: Data) -> dict[str, Fates]:
    """How many downloads of each point came whole, and how many broke; without points that have neither."""
    known = {point["point"]: (point["duration_s"], point["object_bytes"]) for point in data.points}
    found: dict[str, list[int]] = {}
    for row in data.tables["connections"].select(_COLUMNS).to_pylist():
        end_s, object_bytes = known.get(row["point"], (None, None))
        if end_s is None or object_bytes is None or row["syn_s"] is None:
            continue
        is_whole = row["distinct_to_client"] >= object_bytes
        last_s = row["last_new_data_s"] or row["syn_s"]
        stands_still = row["end"] == "open" and row["bytes_to_server"] and end_s - last_s > STALLED_S
        if is_whole or stands_still or not row["survived"]:
            found.setdefault(row["point"], [0, 0])[0 if is_whole else 1] += 1
    return {point: (whole, broken) for point, (whole, broken) in found.items()}


def _period_s(point: PointSummary) -> float | None:
    found = point.parameters.get(PERIOD)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) and found > 0 else None


FIGURE = Figure(
    "survival",
    "downloads that survive a route that flips",
    "experiment",
    draw,
    description="the share of downloads that survive, by how often the route flips, a curve for each object size",
    tables=("connections",),
    together=True,
    inches=(7.6, 4.2),
)
"""Drawn of all conditions together."""
