"""What changes broke, balancer by balancer: a row a balancer, a column a kind of change, a bar an arm.

Enters: the points of an experiment whose conditions have two axes; the first is that of the rows, the second that of
the columns. A bar is as long as the share of the downloads under way that the change broke; behind it stands how many
these were, how many broke before it, and when the goodput was back. Where nothing changes, it is the share of the
payload that came through the director, with what it kept. Points that differ in their seed alone are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from analysis.figures import style
from analysis.figures.arms import Arm, arms_of
from analysis.figures.bars import draw_bar
from analysis.figures.declaration import Data, Figure
from analysis.summary.model import PointSummary

_AXES = 2
_ROW_INCHES, _MARGIN_INCHES, _COLUMN_INCHES = 0.86, 1.5, 2.2
_LIMIT = 1.75
"""To the right of 100 % there is room for what stands behind a bar."""

_SHORTEST_S = 0.05
_THROUGH = "through the director"
_BEFORE = "; before: broken before it"
_LEGEND = (
    "Bars: of the downloads under way, those that the change broke; new: begun after it, and broken{before}.\n"
    "On the right, where nothing happens: payload through the director, all bytes there, entries kept."
)


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw the grid; False where no point has conditions of two axes, or figures on balancing."""
    shown = [point for point in data.summaries if len(point.conditions) == _AXES and point.balancing]
    if not shown:
        return False
    rows, columns = (
        list(dict.fromkeys(list(point.conditions.values())[axis] for point in shown)) for axis in range(_AXES)
    )
    quiet = [each for each in columns if not any(_changes(point) for point in shown if _column(point) == each)]
    columns = [each for each in columns if each not in quiet] + quiet
    canvas.set_figheight(_MARGIN_INCHES + _ROW_INCHES * len(rows))
    canvas.set_figwidth(max(canvas.get_figwidth(), _COLUMN_INCHES * len(columns)))
    arms = arms_of(data, shown)
    grid = canvas.subplots(len(rows), len(columns), squeeze=False, sharex=True)
    for row, balancer in enumerate(rows):
        for column, change in enumerate(columns):
            axes = grid[row][column]
            _cell(axes, arms, (balancer, change))
            if row == 0:
                axes.set_title(_THROUGH if change in quiet else style.label(change), loc="left")
            if column == 0:
                axes.set_ylabel(
                    style.label(balancer), rotation=0, ha="right", va="center", labelpad=6, fontweight="bold"
                )
    handles = [Patch(color=arm.look.colour, label=arm.name) for arm in arms]
    before = _BEFORE if any(_changes(point) and _before([point]) for point in shown) else ""
    legend = _LEGEND.format(before=before)
    canvas.legend(handles=handles, loc="outside lower center", ncols=len(arms), title=legend, title_fontsize=8)
    return True


def _cell(axes: Axes, arms: Sequence[Arm], where: tuple[str, str]) -> None:
    """One balancer and one change: a bar an arm, from above."""
    axes.set_xlim(0, _LIMIT)
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    found = [[point for point in arm.points if tuple(point.conditions.values()) == where] for arm in arms]
    if not any(found):
        axes.text(0.02, len(arms) / 2 - 0.5, "not measured", color=style.LIMIT_COLOUR, fontsize=7, va="center")
        return
    for place, (arm, points) in enumerate(zip(arms, found, strict=True)):
        # What is invalid stands there all the same, hollow: a gap would be taken for nothing broken.
        measured = [point for point in points if point.valid] or points
        if measured:
            _bar(axes, arm, place, measured)


def _column(point: PointSummary) -> str:
    return list(point.conditions.values())[_AXES - 1]


def _changes(point: PointSummary) -> bool:
    return bool(point.balancing and point.balancing.changes)


def _bar(axes: Axes, arm: Arm, place: int, points: Sequence[PointSummary]) -> None:
    share, words = _of_changes(points) if any(map(_changes, points)) else _of_nothing(points)
    draw_bar(axes, place, share, 0.72, arm.look.colour, words, valid=any(point.valid for point in points))


def _of_changes(points: Sequence[PointSummary]) -> tuple[float, str]:
    """The share that broke, and `4 of 15, 3 new, 2 before, back in 1.2 s`: new ones began after the change."""
    figures = [point.balancing for point in points if point.balancing]
    broken = fmean(sum(change.broken for change in each.changes) for each in figures)
    under_way = fmean(each.under_way or 0 for each in figures)
    share = min(broken / under_way, 1.0) if under_way else 0.0
    new = fmean(sum(change.broken_new for change in each.changes) for each in figures)
    number = f"{_short(broken)} of {_short(under_way)}" + (f", {_short(new)} new" if new else "")
    number += f", {_short(before)} before" if (before := _before(points)) else ""
    recovered = [each.recovery_s for each in figures]
    known = [each for each in recovered if each is not None]
    if len(known) < len(recovered):
        return share, f"{number}, not back"
    return share, f"{number}, back in {fmean(known):.1f} s" if fmean(known) >= _SHORTEST_S else number


def _before(points: Sequence[PointSummary]) -> float:
    """Downloads that broke before any change: what is there all the time breaks these, such as a middlebox."""
    return fmean(point.balancing.broken_before for point in points if point.balancing)


def _of_nothing(points: Sequence[PointSummary]) -> tuple[float, str]:
    """The share of the payload that came through the director, and `93.0 MB, 40 entries`."""
    share = fmean(1 - (point.director_bypass_share or 0.0) for point in points)
    figures = [point.balancing for point in points if point.balancing]
    passed = fmean((each.director_bytes_to_clients or 0) + (each.director_bytes_to_servers or 0) for each in figures)
    entries = [each.director_entries for each in figures if each.director_entries is not None]
    kept = "? entries" if not entries else f"{_short(fmean(entries))} entries" if any(entries) else "no entry"
    return share, f"{passed / 1e6:.1f} MB, {kept}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


FIGURE = Figure(
    "balancers",
    "what changes broke",
    "experiment",
    draw,
    description="for every balancer and every kind of change, how many of the downloads under way broke",
    together=True,
    inches=(11.0, 8.0),
)
