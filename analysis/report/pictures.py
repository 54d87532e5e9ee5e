"""The pictures of a report, made by several processes: what comes of each is what one process makes of it.

A figure of an experiment is inlined as SVG. Any other is a PNG of few colours, about 15 KB: as vectors it would be ten
times as large, and the run's `figures/` has it so.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from types import TracebackType

from matplotlib.figure import Figure as Canvas
from PIL import Image

from analysis.figures.declaration import Figure
from analysis.figures.drawing import Drawing, FigureFailed, Kept, alone, draw, failures_of, is_ours
from analysis.figures.files import png_bytes, svg_bytes
from analysis.summary.workers import Workers

_DPI = 96
_COLOURS = 64
_WORTH_A_PROCESS = 4
"""So many pictures take about as long as the imports of a process that draws them."""


class Pictures:
    """The pictures of drawings, by this process and up to `jobs` - 1 more; a context manager that ends these.

    They begin with the first drawings when the block is entered, so that this process can do something else meanwhile;
    once it asks for a picture it draws the last ones. A figure that is not the toolkit's own may not be known there, so
    it is drawn here. What was under way in a process that is killed is drawn here as well.

    `drawn` are drawings that somebody has drawn before, each with what `of_drawn` made of it: none that is the same is
    drawn again.
    """

    def __init__(self, drawings: Sequence[Drawing], jobs: int = 1, *, drawn: Iterable[Kept] = ()) -> None:
        self._made: dict[Drawing, bytes | FigureFailed | None] = {}
        by_name = {(each.name, each.title): (each, made) for each, made in drawn}
        for each in drawings:
            found = by_name.get((each.name, each.title))
            if found is not None and _is_same(found[0], each):
                self._made[each] = found[1]
        left = [each for each in drawings if each not in self._made]
        self._here = deque(each for each in left if not is_ours(each))
        self._left = deque(each for each in left if is_ours(each))
        self._others = min(jobs - 1, len(self._left) // _WORTH_A_PROCESS)
        self._stack = ExitStack()
        self._sharing: list[Future[None]] = []

    def of(self, drawing: Drawing) -> bytes | None:
        """The picture of one of the drawings, None where there is nothing to draw; raises FigureFailed."""
        if drawing not in self._made:
            self._finish()
        made = self._made[drawing]
        if isinstance(made, FigureFailed):
            raise made
        return made

    def _finish(self) -> None:
        """Draw here what is left, and wait for what others have begun."""
        while self._here:
            self._draw(self._here.popleft())
        self._draw_left()
        for each in self._sharing:
            each.result()
        self._draw_left()

    def _draw_left(self) -> None:
        while (drawing := _next(self._left.pop)) is not None:
            self._draw(drawing)

    def _draw(self, drawing: Drawing) -> None:
        try:
            self._made[drawing] = picture(drawing)
        except FigureFailed as error:
            self._made[drawing] = error

    def _share(self, workers: Workers) -> None:
        """Have one process after another drawing while there are some; it stands in a thread."""
        while (drawing := _next(self._left.popleft)) is not None:
            try:
                self._made[drawing] = workers.submit(picture, alone(drawing)).result()
            except BrokenProcessPool:  # one was killed: for lack of memory, say, which alone there may be enough of
                self._left.append(drawing)
                return

    def __enter__(self) -> Pictures:
        if self._others > 0:
            # The workers are closed first, which ends what the threads wait for.
            threads = self._stack.enter_context(ThreadPoolExecutor(self._others, thread_name_prefix="pictures"))
            workers = self._stack.enter_context(Workers(self._others))
            workers.hurry()  # this process waits for them, and nobody else is to go before
            self._sharing = [threads.submit(self._share, workers) for _ in range(self._others)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.clear()
        self._stack.close()


def picture(drawing: Drawing) -> bytes | None:
    """The drawing's picture, or None where there is nothing to draw; raises FigureFailed."""
    canvas = draw(drawing)
    if canvas is None:
        return None
    with failures_of(drawing.figure):
        return svg_bytes(canvas) if _is_vectors(drawing.figure) else _small(png_bytes(canvas, _DPI))


def of_drawn(figure: Figure, canvas: Canvas, files: Mapping[str, bytes]) -> bytes:
    """The picture of a figure that is drawn already, and is in these files by their suffix."""
    return files["svg"] if _is_vectors(figure) else _small(png_bytes(canvas, _DPI))


def _is_vectors(figure: Figure) -> bool:
    return figure.scope == "experiment"


def _is_same(drawn: Drawing, wanted: Drawing) -> bool:
    """Whether a drawing that is drawn gives the picture of the one that is wanted: all that is drawn is equal."""
    one, other = drawn.data, wanted.data
    return (
        drawn.figure is wanted.figure
        and drawn.title == wanted.title
        and list(one.summaries) == list(other.summaries)
        and list(one.siblings) == list(other.siblings)
        and list(one.points) == list(other.points)
        and one.tables.keys() == other.tables.keys()
        and all(table.equals(other.tables[name]) for name, table in one.tables.items())
    )


def _small(png: bytes) -> bytes:
    """The same picture with a palette, a third of the size."""
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _next(take: Callable[[], Drawing]) -> Drawing | None:
    """One of those that are left, which several threads take from."""
    try:
        return take()
    except IndexError:
        return None
