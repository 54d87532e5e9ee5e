"""A logarithmic axis of durations, from microseconds to minutes, with the unit at each tick."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Which multiples of a power of ten are shown, by how many times its start its end is.
_TICKS = ((20.0, (1.0, 2.0, 5.0)), (500.0, (1.0, 3.0)), (math.inf, (1.0,)))


def durations(axes: Axes, low_s: float, high_s: float) -> None:
    """Make the horizontal axis one of durations between these two."""
    axes.set_xscale("log")
    axes.set_xlim(low_s, high_s)
    axes.xaxis.set_major_locator(LogLocator(subs=next(subs for width, subs in _TICKS if high_s / low_s < width)))
    axes.xaxis.set_major_formatter(FuncFormatter(_text))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _text(seconds: float, _place: int) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1e3:g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:g} µs"
