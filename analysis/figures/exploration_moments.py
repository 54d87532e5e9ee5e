"""The picture of a change that slides over connections: from when to when each one is lost, slower, or as ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from analysis.figures import style

_COLOURS: Mapping[str, str] = {
    "ok": "#BFE3BF",
    "slower": "#E69F00",
    "reset": "#CC3311",
    "error": "#882255",
    "hangs": "#000000",
    "damaged": "#AA0DFE",
    "after the end": "#DDDDDD",
    "not applied": "#BBBBBB",
}
_ROW_INCHES, _HEAD_INCHES = 0.62, 1.7


@dataclass(frozen=True)
class Arm:
    """A connection: its name, stretches of one outcome (from, to, outcome), and moments worth a mark, by name."""

    name: str
    stretches: Sequence[tuple[float, float, str]]
    marks: Mapping[str, float]


def windows(arms: Sequence[Arm], title: str) -> Canvas:
    """A bar for each connection, from its first packet to its end; times in milliseconds."""
    with style.settings():
        canvas = Canvas(figsize=(10, _HEAD_INCHES + _ROW_INCHES * len(arms)), layout="constrained")
        FigureCanvasAgg(canvas)
        axes = canvas.subplots()
        for row, arm in enumerate(arms):
            _draw(axes, row, arm)
        axes.set_yticks(range(len(arms)), [style.label(arm.name) for arm in arms])
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.set_xlabel("moment of the change, ms after the connection's start")
        axes.grid(visible=False, axis="y")
        seen = dict.fromkeys(outcome for arm in arms for _, _, outcome in arm.stretches)
        marks = [Patch(facecolor=_COLOURS.get(each, "#777777"), label=each) for each in _COLOURS if each in seen]
        axes.legend(handles=marks, ncols=len(marks) or 1, loc="upper center", bbox_to_anchor=(0.5, -0.25))
        canvas.suptitle(style.folded(title, canvas.get_figwidth()), fontsize=style.TITLE_SIZE)
    return canvas


def _draw(axes: Any, row: int, arm: Arm) -> None:
    for begin_s, end_s, outcome in arm.stretches:
        colour = _COLOURS.get(outcome, "#777777")
        axes.barh(row, (end_s - begin_s) * 1e3, left=begin_s * 1e3, height=0.5, color=colour)
    for name, at_s in arm.marks.items():
        axes.plot([at_s * 1e3] * 2, [row - 0.32, row + 0.32], color="#222222", linewidth=0.9)
        axes.annotate(style.label(name), (at_s * 1e3, row - 0.34), fontsize=6.5, ha="center", va="bottom")
