"""What a test reads in a drawn figure."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def bars(axes: Axes) -> dict[str, list[float]]:
    """Heights (or widths) of the bars with a legend entry."""
    return {
        str(each.get_label()): [max(bar.get_width(), bar.get_height()) for bar in each.patches]
        if len(each.patches) == 1
        else [float(bar.get_height()) for bar in each.patches]
        for each in axes.containers
        if isinstance(each, BarContainer)
    }
