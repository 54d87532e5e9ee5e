"""The closer look: what any run has beside the figures of its experiments, drawn from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.figures.drawing import Drawing, FigureFailed
from analysis.figures.gallery import of_run, tables_of_a_run
from analysis.figures.registry import Registry
from analysis.report.pictures import Pictures
from analysis.report.run_facts import RunFacts
from analysis.tables import DIRECTORY, read_table
from testbed.base.errors import AnalysisError


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


@dataclass(frozen=True)
class DetailDrawings:
    """What is to be drawn of one run; `missing` says why there is nothing, if so."""

    run: str
    drawings: Sequence[Drawing]
    missing: str = ""


def plan_details(run: RunFacts, registry: Registry) -> DetailDrawings:
    """The drawings of a run; a run without tables, or with those of another format, has none and says why."""
    try:
        tables = {name: read_table(run.directory, name) for name in tables_of_a_run(registry)}
    except AnalysisError as error:
        path = run.directory / DIRECTORY
        reason = str(error) if path.is_dir() else f"{_shown(path)}: there are no tables (testbed analyze)"
        return DetailDrawings(run.name, (), reason)
    return DetailDrawings(run.name, tuple(of_run(registry, tables, summaries=run.points)))


def draw_details(planned: DetailDrawings, pictures: Pictures) -> RunDetails:
    """The figures of a run, of pictures that have them."""
    found, problems = [], []
    for drawing in planned.drawings:
        try:
            png = pictures.of(drawing)
        except FigureFailed as error:
            problems.append(f"{planned.run}: {drawing.title}: {error}")
            continue
        if png is not None:
            found.append(Detail(drawing.name, drawing.title, png))
    return RunDetails(planned.run, tuple(found), planned.missing, tuple(problems))


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
