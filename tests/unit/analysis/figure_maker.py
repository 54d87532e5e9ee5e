"""The figures of hand-made points and tables, by the registry and the gallery as the commands use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from matplotlib.figure import Figure as Canvas

from analysis.figures.declaration import Data, Tables
from analysis.figures.drawing import Drawing, draw, save
from analysis.figures.gallery import of_experiments, of_point, of_run
from analysis.figures.registry import Registry, load_registry
from analysis.summary.model import PointSummary


@cache
def registry() -> Registry:
    return load_registry()


def data(tables: Tables, points: Sequence[dict[str, Any]], connection: int | None = None) -> Data:
    return Data(tables, points, connection=connection)


def drawings(points: Sequence[PointSummary]) -> list[Drawing]:
    """What would be drawn of the experiments."""
    return list(of_experiments(registry(), points))


def draw_figure(title: str, points: Sequence[PointSummary]) -> Canvas | None:
    """The figure that these points name, of all of them."""
    figure = registry().figures[points[0].plot]
    return draw(Drawing(figure, "figure", title, Data(summaries=points, siblings=points)))


def draw_figures(directory: Path, points: Sequence[PointSummary]) -> list[Path]:
    return save(of_experiments(registry(), points), directory / "figures").files


def draw_run(tables: Tables, directory: Path, names: Sequence[str] | None = None) -> list[Path]:
    return save(of_run(registry(), tables, names), directory).files


def draw_point(
    tables: Tables,
    point: str,
    directory: Path,
    names: Sequence[str] | None = None,
    connection: int | None = None,
    packets: Callable[[int], pa.Table] | None = None,
) -> list[Path]:
    found = of_point(registry(), tables, point, names, connection=connection, packets=packets)
    return save(found, directory).files
