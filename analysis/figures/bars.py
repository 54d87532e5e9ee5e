"""A bar that lies, with words behind it: what several figures of conditions are made of."""

from __future__ import annotations

from matplotlib.axes import Axes

from analysis.figures import style

WORDS_SIZE = 6.8


def draw_bar(axes: Axes, place: float, length: float, height: float, colour: str, words: str, *, valid: bool) -> None:
    """A bar at a height of the axes; hollow, and called so, where no valid point stands behind it."""
    axes.barh(place, length, height, color=colour if valid else "none", edgecolor=colour, linewidth=0.8, zorder=3)
    axes.annotate(
        words if valid else "INVALID", (length, place), xytext=(3, 0), textcoords="offset points", va="center",
        fontsize=WORDS_SIZE, color=style.LIMIT_COLOUR if valid else style.NOTE_COLOUR,
    )  # fmt: skip
