"""The closer look: what any run has beside the figures of its experiments, drawn from its tables.

They are inlined as PNG of few colours, about 15 KB each: as vectors they would be ten times as large, and the run's
`figures/` has them so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from analysis.figures.drawing import FigureFailed, draw, failures_of
from analysis.figures.files import png_bytes
from analysis.figures.gallery import of_run, tables_of_a_run
from analysis.figures.registry import Registry
from analysis.report.run_facts import RunFacts
from analysis.tables import DIRECTORY, read_table
from testbed.base.errors import AnalysisError

_DPI = 96
_COLOURS = 64


@dataclass(frozen=True)
class Detail:
    """One figure: the file of it in the run's `figures/` (without suffix), its title, and its PNG."""

    name: str
    title: str
    png: bytes


@dataclass(frozen=True)
class RunDetails:
    """The figures of one run; `missing` says why there are none, if so, `problems` which could not be drawn."""

    run: str
    figures: tuple[Detail, ...]
    missing: str = ""
    problems: tuple[str, ...] = ()


def draw_details(run: RunFacts, registry: Registry) -> RunDetails:
    """Draw the figures of a run; a run without tables, or with those of another format, has none and says why."""
    try:
        tables = {name: read_table(run.directory, name) for name in tables_of_a_run(registry)}
    except AnalysisError as error:
        path = run.directory / DIRECTORY
        reason = str(error) if path.is_dir() else f"{_shown(path)}: there are no tables (testbed analyze)"
        return RunDetails(run.name, (), reason)
    found, problems = [], []
    for drawing in of_run(registry, tables, summaries=run.points):
        try:
            canvas = draw(drawing)
            if canvas is not None:
                with failures_of(drawing.figure):
                    png = png_bytes(canvas, _DPI)
                found.append(Detail(drawing.name, drawing.title, _small(png)))
        except FigureFailed as error:
            problems.append(f"{run.name}: {drawing.title}: {error}")
    return RunDetails(run.name, tuple(found), problems=tuple(problems))


def _small(png: bytes) -> bytes:
    """The same picture with a palette, a third of the size."""
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
