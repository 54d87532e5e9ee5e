"""The closer look: what any run has beside the paper's figures, drawn from its tables (`analysis.figures`).

They are inlined as PNG of few colours, about 15 KB each: as vectors they would be ten times as large, and the run's
`figures/` has them so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from analysis import figures as run_figures
from analysis.figures.paper import png_bytes
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
    """The figures of one run; `missing` says why there are none, if so."""

    run: str
    figures: tuple[Detail, ...]
    missing: str = ""


def draw_details(run: RunFacts) -> RunDetails:
    """Draw the figures of a run; a run without tables, or with those of another format, has none and says why."""
    try:
        tables = {name: read_table(run.directory, name) for name in run_figures.TABLES_OF_A_RUN}
    except AnalysisError as error:
        path = run.directory / DIRECTORY
        reason = str(error) if path.is_dir() else f"{_shown(path)}: there are no tables (testbed analyze)"
        return RunDetails(run.name, (), reason)
    drawn = run_figures.figures_of_run(tables)
    return RunDetails(
        run.name, tuple(Detail(name, title, _small(png_bytes(figure, _DPI))) for name, title, figure in drawn)
    )


def _small(png: bytes) -> bytes:
    """The same picture with a palette, a third of the size."""
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
