"""One drawing: a figure of some points, drawn on a canvas and saved.

Invalid points are never drawn like valid ones: the drawing says that there are some. What goes wrong in a figure that
is not the toolkit's own is an AnalysisError with the file and line of it, and costs the other figures nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from analysis.figures import files, style
from analysis.figures.declaration import Data, Figure
from analysis.figures.registry import Registry, place_in, said
from analysis.figures.selection import is_invalid
from analysis.summary.workers import Workers
from testbed.base.errors import AnalysisError, TestbedError
from testbed.record import writing as output

INVALID_NOTE = "hollow: invalid, see summary"


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is to be drawn: a figure, the name of its files (without suffix), the heading, and the data."""

    figure: Figure
    name: str
    title: str
    data: Data


@dataclass(frozen=True)
class Pictures:
    """A drawing as PNG, PDF and SVG, by suffix, and what else was made of it."""

    files: dict[str, bytes]
    kept: bytes = b""


Keep = Callable[[Figure, Canvas, Mapping[str, bytes]], bytes]
"""Makes something else of a figure on its canvas, and of its pictures by suffix."""

Kept = tuple[Drawing, bytes | None]
"""A drawing and what `Keep` made of it, None where there was nothing to draw."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn: `files`, `names` of the figures that had something to draw, and a line on each that failed.

    `kept` are drawings of the toolkit's own figures with what else was made of them, None where there was nothing.
    """

    files: list[Path] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    def empty(self, registry: Registry) -> list[str]:
        """A line on each of the user's own figures that had nothing to draw."""
        own = [registry.figures[name] for name in registry.own if name not in self.names]
        return [f"{figure.source}: the figure {figure.name!r} had nothing to draw" for figure in own]


def draw(drawing: Drawing) -> Canvas | None:
    """The drawing on its canvas, or None where there is nothing to draw.

    A painter makes the canvas as high as it needs. Raises AnalysisError for a user's figure that fails.
    """
    figure, data = drawing.figure, drawing.data
    with failures_of(figure), style.settings():
        canvas = Canvas(figsize=figure.inches, layout="constrained")
        FigureCanvasAgg(canvas)
        found: bool | None = figure.draw(canvas, data)
        if found is not None and not found:
            return None
        heading = style.folded(drawing.title, canvas.get_figwidth())
        if figure.scope == "experiment":
            if canvas.axes and any(not point.valid for point in data.summaries):
                canvas.axes[0].set_title(INVALID_NOTE, loc="right", fontsize=8.5, color=style.NOTE_COLOUR)
        elif invalid := sum(map(is_invalid, data.points)):
            heading += f"\n{invalid} of {len(data.points)} points INVALID, see summary"
        canvas.suptitle(heading, fontsize=style.TITLE_SIZE)
        # Laid out here and once: each format would do it again.
        if canvas.axes and (layout := canvas.get_layout_engine()) is not None:
            layout.execute(canvas)
        canvas.set_layout_engine(None)  # "none" is a place holder, for which each format is laid out again
    return canvas


def save(
    drawings: Iterable[Drawing], directory: Path, workers: Workers | None = None, keep: Keep | None = None
) -> Drawn:
    """Draw and write each into `directory`, as PNG, PDF and SVG; raises AnalysisError where it cannot be written.

    `workers` share the drawing, but of figures that are not the toolkit's own: those may not be known there. `keep`
    makes something else of each of the toolkit's own figures while it is drawn, and is a function of a module.
    """
    drawn = Drawn()
    begun = [
        (each, workers.submit(pictures, alone(each), keep) if workers and is_ours(each) else None) for each in drawings
    ]
    for drawing, future in begun:
        try:
            found = pictures(drawing, keep) if future is None else _result(future, drawing, keep)
            if keep and is_ours(drawing):
                drawn.kept.append((drawing, found.kept if found else None))
            if found is None:
                continue
        except FigureFailed as error:
            drawn.problems.append(f"{drawing.title}: {error}")
            drawn.names.add(drawing.figure.name)
            continue
        drawn.files.extend(files.write(found.files, output.make_folder(directory), drawing.name))
        drawn.names.add(drawing.figure.name)
    return drawn


def pictures(drawing: Drawing, keep: Keep | None = None) -> Pictures | None:
    """The pictures of the drawing, or None where there is nothing to draw; raises as `draw`."""
    canvas = draw(drawing)
    if canvas is None:
        return None
    with failures_of(drawing.figure):
        found = files.pictures(canvas)
        return Pictures(found, keep(drawing.figure, canvas, found) if keep and is_ours(drawing) else b"")


def warm_up() -> None:
    """Nothing; but a process that is asked for it has then imported what analysing and drawing take."""


def is_ours(drawing: Drawing) -> bool:
    """Whether the figure is the toolkit's own."""
    return not drawing.figure.source


def alone(drawing: Drawing) -> Drawing:
    """The drawing with no other points' rows in its tables, which are to be sent to another process."""
    ids = pa.array([each["point"] for each in drawing.data.points], pa.string())
    tables = {
        name: table.filter(pc.is_in(table["point"], ids)) if "point" in table.column_names else table
        for name, table in drawing.data.tables.items()
    }
    return replace(drawing, data=replace(drawing.data, tables=tables))


def _result(future: Future[Pictures | None], drawing: Drawing, keep: Keep | None) -> Pictures | None:
    try:
        return future.result()
    except BrokenProcessPool:  # a worker was killed: for lack of memory, say, which alone there may be enough of
        return pictures(drawing, keep)


class FigureFailed(AnalysisError):
    """A figure that is not the toolkit's own could not be drawn; its author's line is named."""


@contextlib.contextmanager
def failures_of(figure: Figure) -> Iterator[None]:
    """What happens in the block is the figure's doing: raises FigureFailed, unless the figure is the toolkit's own."""
    if not figure.source:
        yield
        return
    try:
        yield
    except TestbedError as error:
        raise FigureFailed(f"{figure.source}: {error}") from error
    except (Exception, SystemExit) as error:
        where = place_in(error, figure.source)
        what = said(error) if where != figure.source else f"the figure {figure.name!r} failed: {said(error)}"
        raise FigureFailed(f"{where}: {what}") from error
