"""The paper's figures of a run: a PNG, a PDF and an SVG each, drawn from the summaries alone.

Invalid points are never drawn like valid ones: they are hollow, joined to no curve, and the figure says so.
The same summaries give the same bytes: no date is written, and the global state of pyplot is not used.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from itertools import count, groupby
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.ablation import draw_ablation
from analysis.figures.page_size import draw_page_size
from analysis.figures.timeline import draw_timeline
from analysis.summary.model import PointSummary
from analysis.summary.text import figure_number, figure_order, group_title
from testbed.record import writing as output

INVALID_NOTE = "hollow: invalid, see summary"

# A painter draws some points; it is also given all of the experiment, for axes and looks that figures share.
_PAINTERS: dict[str, Callable[[Figure, Sequence[PointSummary], Sequence[PointSummary]], bool]] = {
    "page-size": lambda figure, points, _all: draw_page_size(figure, points),
    "timeline": lambda figure, points, _all: draw_timeline(figure, points),
    "ablation": draw_ablation,
}
_INCHES = {"ablation": (9.0, 7.0)}
_USUAL_INCHES = (6.4, 6.0)
_NAME_LENGTH = 160  # what is put behind it, and the name of a draft, must fit into 255


def draw_figures(run_dir: Path, points: Sequence[PointSummary]) -> list[Path]:
    """Draw every figure that has something to show into `figures/` of the run directory; returns the files.

    Raises AnalysisError when the directory cannot be written.
    """
    paths: list[Path] = []
    for name, title, members in figure_groups(points):
        siblings = [point for point in points if point.experiment == members[0].experiment]
        figure = draw_figure(title, members, siblings)
        if figure is not None:
            paths += save(figure, output.make_folder(run_dir / "figures"), name)
    return paths


def figure_groups(points: Sequence[PointSummary]) -> list[tuple[str, str, list[PointSummary]]]:
    """The points of each figure with its file name (without suffix) and its title, in the figures' order."""
    drawable = [point for point in points if point.plot in _PAINTERS]
    place = {name: number for number, name in enumerate(dict.fromkeys(p.condition for p in drawable))}

    def of_figure(point: PointSummary) -> tuple[int, str, str, int]:
        return (*figure_order(point.figure, point.experiment), point.plot, place[point.condition])

    groups: list[tuple[str, str, list[PointSummary]]] = []
    taken: set[str] = set()
    for _, members in groupby(sorted(drawable, key=of_figure), key=of_figure):
        group = list(members)
        name = base = _file_name(group[0])
        for number in count(2):
            if name not in taken:
                break
            name = f"{base}-{number}"
        taken.add(name)
        groups.append((name, group_title(group), group))
    return groups


def draw_figure(
    title: str, points: Sequence[PointSummary], siblings: Sequence[PointSummary] | None = None
) -> Figure | None:
    """One figure of points with the same `plot`, or None when none of them has a figure to show.

    `siblings` are all points of the experiment (None: there are no others): those figures of an experiment that
    are to be compared have the same looks and axes.
    """
    with style.settings():
        figure = Figure(figsize=_INCHES.get(points[0].plot, _USUAL_INCHES), layout="constrained")
        FigureCanvasAgg(figure)
        if not _PAINTERS[points[0].plot](figure, points, siblings or points):
            return None
        figure.suptitle(style.folded(title, figure.get_figwidth()), fontsize=style.TITLE_SIZE)
        if any(not point.valid for point in points):
            figure.axes[0].set_title(INVALID_NOTE, loc="right", fontsize=8.5, color=style.NOTE_COLOUR)
        return figure


def svg_bytes(figure: Figure) -> bytes:
    """A drawn figure as SVG, the same bytes for the same figure; text is drawn, so that no font is needed."""
    buffer = io.BytesIO()
    with style.settings(**{"svg.fonttype": "path", "svg.hashsalt": "testbed"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def png_bytes(figure: Figure, dpi: int = style.PNG_DPI) -> bytes:
    """A drawn figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with style.settings():
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def pdf_bytes(figure: Figure) -> bytes:
    """A drawn figure as PDF, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with style.settings():
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return buffer.getvalue()


def save(figure: Figure, directory: Path, name: str) -> list[Path]:
    """Write a drawn figure as PNG, PDF and SVG; the same figure gives the same bytes. Raises AnalysisError."""
    drawn = {"svg": svg_bytes(figure), "png": png_bytes(figure), "pdf": pdf_bytes(figure)}
    return [output.write_bytes(directory / f"{name}.{kind}", drawn[kind]) for kind in ("png", "pdf", "svg")]


def _file_name(point: PointSummary) -> str:
    number = figure_number(point.figure)
    name = f"fig{number:02d}" if number is not None else point.figure or point.experiment
    return file_name(f"{name}-{point.condition}" if point.condition else name)


def file_name(text: str) -> str:
    """The text as the name of a file, without suffix."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:_NAME_LENGTH] or "figure"
