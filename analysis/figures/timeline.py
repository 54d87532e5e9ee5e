"""Figures over time (Figs. 13 and 14): link utilisation and RSTs per second, with the churn marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures import style
from analysis.figures.arms import arms_of
from analysis.figures.changes import MARKS, gone
from analysis.figures.declaration import Data, Figure
from analysis.summary import paper_values
from analysis.summary.model import Churn, SecondBySecond


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw both panels; False when no point has a series to show."""
    utilisation, resets = canvas.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    if not draw_panels(canvas, (utilisation, resets), data):
        return False
    resets.set_xlabel("Time since the workload's start (s)")
    return True


def draw_panels(canvas: Canvas, panels: tuple[Axes, Axes], data: Data) -> bool:
    """Draw link utilisation and RSTs on axes of time, and the canvas's legend; False when there is nothing to show."""
    utilisation, resets = panels
    every = [(point, point.per_second) for point in data.summaries]
    shown = [(point, series) for point, series in every if series and series.utilisation_bps]
    if not shown:
        return False
    seconds = max(len(series.utilisation_bps) for _, series in shown)
    _mark_churn(utilisation, shown[0][1].churn, seconds, labelled=True)
    _mark_churn(resets, shown[0][1].churn, seconds, labelled=False)
    arms = arms_of(data, [point for point, _ in shown])
    for place, arm in enumerate(arms):
        name, look = arm.name, arm.look
        mine = [(point.valid, series) for point in arm.points if (series := point.per_second)]
        valid = [series for ok, series in mine if ok]
        if valid:
            _utilisation(utilisation, valid, name, look)
        for series in (series for ok, series in mine if not ok):
            _hollow_utilisation(utilisation, series, name, look)
        bars = _Bars(name, look.colour, place, len(arms), hollow=not valid)
        _resets(resets, valid or [mine[0][1]], bars)
        if len(valid) > 1:
            utilisation.set_title(f"mean of {len(valid)} seeds; band: minimum to maximum", loc="left", fontsize=8.5)
    limits = sorted({round(point.wire_limit_bps / 1e6, 1) for point, _ in shown if point.wire_limit_bps})
    for number, limit in enumerate(limits):
        label = f"wire limit ({', '.join(f'{one:g}' for one in limits)})" if number == 0 else f"_limit {number}"
        utilisation.axhline(limit, color=style.LIMIT_COLOUR, linestyle=":", linewidth=1.1, label=label)
    printed = [value.mbps for value in paper_values.of_figure(shown[0][0].figure)]
    for number, mbps in enumerate(printed):
        label = (
            f"printed in the paper ({', '.join(f'{one:g}' for one in printed)})" if number == 0 else f"_paper {number}"
        )
        utilisation.axhline(mbps, color=style.PAPER_COLOUR, linestyle=(0, (1, 3)), linewidth=1.6, label=label, zorder=2)
    utilisation.set_ylabel("Link utilisation (Mbit/s)")
    utilisation.set_ylim(0, utilisation.get_ylim()[1] * 1.06)
    resets.set_ylabel("RST per second")
    resets.set_ylim(0, max(resets.get_ylim()[1], 1))
    resets.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    resets.set_xlim(0, seconds)
    if not any(any(series.resets) for _, series in shown):
        resets.annotate(
            "no RST", (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", color=style.LIMIT_COLOUR,
            bbox={"facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip
    handles, labels = utilisation.get_legend_handles_labels()
    more_handles, more_labels = resets.get_legend_handles_labels()
    if len(arms) > 1:
        more_handles = [*_whose_bars()]
        more_labels = [str(patch.get_label()) for patch in more_handles]
    labels += more_labels
    columns = style.legend_columns(labels, canvas.get_figwidth())
    canvas.legend(handles + more_handles, labels, loc="outside lower center", ncols=columns)
    return True


def _mark_churn(axes: Axes, churn: Sequence[Churn], seconds: int, *, labelled: bool) -> None:
    for event in churn:
        mark = MARKS[event.event]
        first = event is next(other for other in churn if other.event == event.event)
        axes.axvline(
            event.t, color=mark.colour, linestyle=mark.dash, linewidth=0.9, zorder=1.5,
            label=mark.name if labelled and first else f"_{mark.name}",
        )  # fmt: skip
    about = {event.event.partition("-")[0] for event in churn}
    what = "link out" if about == {"link"} else "server out" if about == {"server"} else "server or director out"
    for number, (start, end) in enumerate(gone([(each.t, each.event, each.server) for each in churn], seconds)):
        label = what if labelled and number == 0 else f"_{what}"
        axes.axvspan(start, end, color=style.REMOVAL_SHADE, linewidth=0, zorder=0.5, label=label)


def _stack(rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    shortest = min(len(row) for row in rows)
    return np.array([row[:shortest] for row in rows], np.float64)


def _utilisation(axes: Axes, series: Sequence[SecondBySecond], name: str, look: style.Curve) -> None:
    rates = _stack([one.utilisation_bps for one in series]) / 1e6
    times = np.arange(rates.shape[1]) + 0.5
    axes.plot(times, rates.mean(axis=0), color=look.colour, label=name, zorder=3)
    if len(series) > 1:
        axes.fill_between(
            times, rates.min(axis=0), rates.max(axis=0), color=look.colour, alpha=0.25, linewidth=0, zorder=2.5
        )


def _hollow_utilisation(axes: Axes, series: SecondBySecond, name: str, look: style.Curve) -> None:
    rates = np.array(series.utilisation_bps) / 1e6
    axes.plot(
        np.arange(len(rates)) + 0.5, rates, color=look.colour, linestyle=":", linewidth=1.0,
        marker=look.marker, markerfacecolor="white", markersize=4, label=f"{name} (invalid)", zorder=2.5,
    )  # fmt: skip


@dataclass(frozen=True)
class _Bars:
    """Which of how many arms' bars these are, and how they look."""

    name: str
    colour: str
    place: int
    places: int
    hollow: bool


def _resets(axes: Axes, series: Sequence[SecondBySecond], bars: _Bars) -> None:
    """Stacked bars, the mean over the seeds: RSTs that the client received, and on top those that it sent."""
    received = _stack([one.resets_received for one in series]).mean(axis=0)
    sent = _stack([one.resets for one in series]).mean(axis=0) - received
    width = 1.0 / bars.places
    alone = bars.places == 1
    edge = style.RECEIVED_COLOUR if alone else bars.colour
    left = np.arange(len(received)) + bars.place * width
    for height, bottom, colour, what in (
        (received, None, edge, "RST received by the client"),
        (sent, received, style.SENT_COLOUR if alone else "white", "RST sent by the client"),
    ):
        axes.bar(
            left, height, width, bottom, align="edge", zorder=3,
            color="none" if bars.hollow else colour, edgecolor=edge, linewidth=0.8 if bars.hollow else 0.4,
            linestyle="--" if bars.hollow and bottom is not None else "-",
            label=what if alone else f"_{bars.name}: {what}",
        )  # fmt: skip


def _whose_bars() -> list[Patch]:
    """What the bars of several arms are, in no arm's colour: the lines have those."""
    return [
        Patch(facecolor=face, edgecolor=style.RECEIVED_COLOUR, linewidth=0.4, label=f"RST {what} by the client")
        for face, what in ((style.RECEIVED_COLOUR, "received"), ("white", "sent"))
    ]


FIGURE = Figure(
    "timeline",
    "link utilisation and RSTs over time",
    "experiment",
    draw,
    description="link utilisation and RSTs per second over time",
    inches=(6.4, 6.0),
)
