"""Figures that compare variants under one condition: waits for the second path, bytes past the director, joins.

Points with the same variant are repeats: their connections are pooled in the curves, their shares averaged. All
conditions of an experiment have the same looks and time axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogFormatter, NullLocator, PercentFormatter

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.time_axis import durations
from analysis.summary.curves import namer
from analysis.summary.model import PointSummary

_MARKS = 3
_FLAT_STEPS = 40


@dataclass(frozen=True)
class _Variant:
    """One variant's points: its name, how it is drawn, its place among those of the figure, and its curves' phase.

    The phase (0 to 1) is where a curve has its marks: each at other places, so that curves on top of each other show.
    """

    name: str
    look: style.Curve
    phase: float
    place: int
    points: tuple[PointSummary, ...]

    @property
    def valid(self) -> tuple[PointSummary, ...]:
        return tuple(point for point in self.points if point.valid)

    @property
    def shown(self) -> tuple[PointSummary, ...]:
        """The points of its bar: the valid ones, or all of them if none is."""
        return self.valid or self.points


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw all four panels; False when no point has a figure to show."""
    siblings = data.siblings
    variants = _variants(data.summaries, siblings)
    if not variants:
        return False
    (bypass, waiting), (share, joins) = canvas.subplots(2, 2, height_ratios=(3, 2))
    _draw_bypass(bypass, variants, siblings)
    _draw_waiting(waiting, variants, siblings)
    _draw_shares(share, variants)
    _draw_joins(joins, variants)
    joins.sharey(share)
    joins.tick_params(labelleft=False)
    canvas.legend(*bypass.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return True


def _variants(points: Sequence[PointSummary], siblings: Sequence[PointSummary]) -> list[_Variant]:
    curve_name = namer(siblings)
    every = list(dict.fromkeys(curve_name(point) for point in siblings))
    shown = [point for point in points if point.connections]
    return [
        _Variant(
            style.label(name),
            look=style.scheme(every.index(name)),
            phase=(every.index(name) + 0.5) / len(every),
            place=place,
            points=tuple(point for point in shown if curve_name(point) == name),
        )
        for place, name in enumerate(dict.fromkeys(curve_name(point) for point in shown))
    ]


def _draw_bypass(axes: Axes, variants: Sequence[_Variant], siblings: Sequence[PointSummary]) -> None:
    axes.set_title("first byte past the director", loc="left")
    _time_axis(axes, siblings, "bypass_wait_s")
    _curves(axes, variants, "bypass_wait_s", remaining=False)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("Connections that have got it")
    axes.set_xlabel("Time since the connection's SYN")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _draw_waiting(axes: Axes, variants: Sequence[_Variant], siblings: Sequence[PointSummary]) -> None:
    axes.set_title("waiting for the first accepted join", loc="left")
    _time_axis(axes, siblings, "join_wait_s")
    most = _curves(axes, variants, "join_wait_s", remaining=True)
    axes.set_yscale("log")
    axes.set_ylim(0.5 / max(most, 1), 1.4)
    axes.set_ylabel("Connections that still wait")
    axes.set_xlabel("Time since the connection's SYN+ACK")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g}%"))
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=style.MINOR_TICKS))


def _time_axis(axes: Axes, points: Sequence[PointSummary], what: str) -> None:
    """A logarithmic axis that holds every such time of the points."""
    times = [time for point in points if point.waits for time in getattr(point.waits, what)]
    durations(axes, min(times, default=0.01) / 1.5, max(times, default=1.0) * 1.5)


def _curves(axes: Axes, variants: Sequence[_Variant], what: str, *, remaining: bool) -> int:
    """One step curve per variant with MPTCP connections, all along the time axis; returns the most of these."""
    low, high = axes.get_xlim()
    most = 0
    for variant in variants:
        measured = [point.waits for point in variant.valid if point.waits and point.waits.connections]
        if not measured:
            continue
        times = np.sort(np.concatenate([getattr(waits, what) for waits in measured]))
        total = sum(waits.connections for waits in measured)
        most = max(most, total)
        inner = times if len(times) else np.geomspace(low, high, _FLAT_STEPS)[1:-1]
        share = np.arange(len(inner) + 2).clip(max=len(times)) / total if len(times) else np.zeros(len(inner) + 2)
        marks = sorted({round(len(inner) * (mark + variant.phase) / _MARKS) for mark in range(_MARKS)})
        axes.step(
            np.concatenate(([low], inner, [high])), 1 - share if remaining else share, where="post",
            color=variant.look.colour, linestyle=variant.look.line, marker=variant.look.marker, markevery=marks,
            markersize=5, zorder=3 + variant.place / 100, label=variant.name,
        )  # fmt: skip
    return most


def _draw_shares(axes: Axes, variants: Sequence[_Variant]) -> None:
    axes.set_title("bytes past the director", loc="left")
    for variant in variants:
        shares = [100 * (point.director_bypass_share or 0.0) for point in variant.shown]
        mean = sum(shares) / len(shares)
        # The mean of equal numbers can miss them by its last bit, and a length below zero is none.
        spread = [[max(mean - min(shares), 0.0)], [max(max(shares) - mean, 0.0)]] if len(shares) > 1 else None
        axes.barh(
            variant.place, mean, 0.7, xerr=spread,
            color=variant.look.colour if variant.valid else "none", edgecolor=variant.look.colour, zorder=3,
        )  # fmt: skip
        axes.annotate(
            f"{mean:.0f}%", (max(shares), variant.place), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=7.5, color=style.LIMIT_COLOUR,
        )  # fmt: skip
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 25))
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.set_yticks([variant.place for variant in variants], [variant.name for variant in variants])
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", visible=False)


def _draw_joins(axes: Axes, variants: Sequence[_Variant]) -> None:
    """Stacked bars; the sum is the number of joins that the client asked for, per connection."""
    axes.set_title("joins per connection", loc="left")
    kinds = (("accepted", "#4d4d4d", ""), ("refused", "#ffffff", "////"), ("unanswered", "#c9c9c9", ""))
    for variant in variants:
        left = 0.0
        connections = sum(point.connections or 0 for point in variant.shown)
        for name, colour, hatch in kinds:
            count = sum(getattr(point.joins, name) for point in variant.shown if point.joins)
            width = count / connections
            axes.barh(
                variant.place, width, 0.7, left, color=colour if variant.valid else "none", edgecolor="#4d4d4d",
                hatch=hatch, linewidth=0.7, zorder=3, label=name if variant is variants[0] else f"_{name}",
            )  # fmt: skip
            left += width
    axes.set_xlim(0, max(axes.get_xlim()[1], 1.1))
    axes.grid(axis="y", visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)


FIGURE = Figure(
    "ablation",
    "schemes side by side",
    "experiment",
    draw,
    description="schemes side by side",
    waits=True,
    inches=(9.0, 7.0),
)
