"""Goodput while made-up SYNs are sent: bars for each kind of server, a panel for each flood, and what was answered.

Enters: the points of an experiment whose conditions have two axes, whose workload makes up SYNs; the first axis is that
of the servers, the second that of the panels; a server has a bar for each arm. Behind each bar stands what the server
did: SYN+ACKs and RSTs that came back, the most SYNs that it had answered and waited for, and how many joins of clients
it did not accept, or reset. Points that differ in their seed alone are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.figures.arms import Arm, arms_of
from analysis.figures.bars import WORDS_SIZE, draw_bar
from analysis.figures.declaration import Data, Figure
from analysis.summary.model import PointSummary

_AXES = 2
_BAR_INCHES, _MARGIN_INCHES = 0.6, 1.3
_ROOM = 2.3
"""To the right of the longest bar there is room for what stands behind it."""

_HEIGHT = 0.7
_FEW = 10
"""A mean of fewer lost joins than this is said with a digit after the point: it is not nothing."""


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw the panels; False where no point has conditions of two axes and made-up SYNs."""
    shown = [point for point in data.summaries if len(point.conditions) == _AXES and point.syns]
    if not shown:
        return False
    servers, floods = (
        list(dict.fromkeys(list(point.conditions.values())[axis] for point in shown)) for axis in range(_AXES)
    )
    canvas.set_figheight(_MARGIN_INCHES + _BAR_INCHES * len(servers))
    arms = arms_of(data, shown)
    longest = max(_mbps(shown), default=0.0) or 1.0
    panels = canvas.subplots(1, len(floods), squeeze=False, sharey=True)[0]
    for panel, flood in zip(panels, floods, strict=True):
        panel.set_title(style.label(flood), loc="left")
        panel.set_xlim(0, _ROOM * longest)
        panel.set_ylim(len(servers) - 0.4, -0.6)
        panel.set_yticks(range(len(servers)), [style.label(each) for each in servers])
        panel.set_xticks([0, round(longest)])
        panel.grid(visible=False)
        for place, server in enumerate(servers):
            _bars(panel, arms, place, (server, flood))
    if len(arms) > 1:
        handles = [Patch(color=arm.look.colour, label=arm.name) for arm in arms]
        canvas.legend(handles=handles, loc="outside lower center", ncols=len(arms))
    panels[0].set_xlabel("goodput of clients (Mbit/s)", loc="left")
    return True


def _mbps(points: Sequence[PointSummary]) -> list[float]:
    return [point.goodput_bps / 1e6 for point in points if point.goodput_bps is not None]


def _bars(axes: Axes, arms: Sequence[Arm], row: int, where: tuple[str, str]) -> None:
    """One server under one flood: a bar an arm, from above."""
    height = _HEIGHT / len(arms)
    for number, arm in enumerate(arms):
        points = [point for point in arm.points if tuple(point.conditions.values()) == where]
        _bar(axes, row - _HEIGHT / 2 + (number + 0.5) * height, height, arm.look.colour, points)


def _bar(axes: Axes, place: float, height: float, colour: str, points: Sequence[PointSummary]) -> None:
    # What is invalid stands there all the same, hollow: a gap would be taken for no goodput.
    measured = [point for point in points if point.valid] or list(points)
    found = _mbps(measured)
    if not found:
        axes.text(0, place, " not measured", color=style.LIMIT_COLOUR, fontsize=WORDS_SIZE, va="center")
        return
    valid = any(point.valid for point in points)
    draw_bar(axes, place, fmean(found), height, colour, _words(measured), valid=valid)


def _words(points: Sequence[PointSummary]) -> str:
    """`1146 SYN+ACK, 0 RST`, `1025 waiting`, and below it how many joins came to nothing, if any did."""
    answers = fmean(sum(each.syn_acks for each in point.syns) for point in points)
    resets = fmean(sum(each.resets for each in point.syns) for point in points)
    waiting = fmean(point.half_open or 0 for point in points)
    joins = [point.joins for point in points if point.joins]
    words = f"{_number(answers)} SYN+ACK, {_number(resets)} RST\n{_number(waiting)} waiting"
    if not any(each.asked - each.kept for each in joins):
        return words
    lost, asked = fmean(each.asked - each.kept for each in joins), fmean(each.asked for each in joins)
    return f"{words}\n{lost:{'.2g' if lost < _FEW else '.0f'}} of {asked:.0f} joins lost"


def _number(value: float) -> str:
    return f"{value / 1000:.0f} k" if value >= 10_000 else f"{value:.0f}"


FIGURE = Figure(
    "floods",
    "made-up SYNs",
    "experiment",
    draw,
    description="for every kind of server and every flood of SYNs the clients' goodput, and what the server answered",
    together=True,
    inches=(13.0, 4.0),
)
