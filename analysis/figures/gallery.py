"""Which figures there are, and how a run's or a point's are drawn into files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures import paper as figures
from analysis.figures import style
from analysis.figures.joins import draw_join_delay
from analysis.figures.paths import draw_bytes, draw_over_time
from analysis.figures.resets import draw_resets
from analysis.figures.selection import is_invalid, rows
from analysis.figures.selection import points as points_of
from analysis.figures.sequence import draw_sequence
from analysis.figures.subflows import draw_subflows
from testbed.base.errors import AnalysisError
from testbed.record import writing as output

Tables = Mapping[str, pa.Table]
Point = dict[str, Any]
Painter = Callable[[Figure, Tables, Sequence[Point]], bool]

OF_A_RUN: Mapping[str, tuple[str, Painter]] = {
    "bytes": ("bytes per path", draw_bytes),
    "join-delay": ("wait for the first join", draw_join_delay),
    "paths": ("payload on each path", draw_over_time),
    "resets": ("RSTs by cause", draw_resets),
}
"""Figures of several points: kind, title, painter."""

OF_A_POINT = ("subflows", "sequence")
KINDS = (*OF_A_RUN, *OF_A_POINT)
"""The kinds of figures; the last two are of one point."""

TABLES_OF_A_RUN = ("points", "connections", "subflows", "resets", "seconds", "events")
"""The tables that the figures of a run are drawn from; those of a point need `announcements`, too."""

_OVER_TIME = ("paths", "resets")
_INCHES = (7.2, 4.2)


def figures_of_run(tables: Tables, kinds: Sequence[str] | None = None) -> Iterator[tuple[str, str, Figure]]:
    """The figures of every experiment of a run: file name, title, drawing.

    Without `kinds` those over time only where that is what it is about.
    """
    for name, title, members in _groups(points_of(tables)):
        for kind, (what, paint) in OF_A_RUN.items():
            wanted = kind in kinds if kinds is not None else kind not in _OVER_TIME or _is_timeline(members)
            figure = _painted(f"{title}: {what}", paint, tables, members) if wanted else None
            if figure is not None:
                yield figures.file_name(f"{name}-{kind}"), f"{title}: {what}", figure


def draw_run(tables: Tables, directory: Path, kinds: Sequence[str] | None = None) -> list[Path]:
    """Write the figures of a run into `directory`; returns the files, or raises AnalysisError."""
    return [path for name, _, figure in figures_of_run(tables, kinds) for path in _saved(figure, directory, name)]


def figures_of_point(
    tables: Tables,
    point_id: str,
    kinds: Sequence[str] = KINDS,
    connection: int | None = None,
    packets: Callable[[int], pa.Table] | None = None,
) -> Iterator[tuple[str, str, Figure]]:
    """The figures of one point: file name, title, drawing; `packets(connection)` gives those of the sequence plot.

    Raises AnalysisError for a point or a connection that is not there.
    """
    members = [point for point in points_of(tables) if point["point"] == point_id]
    if not members:
        names = ", ".join(point["point"] for point in points_of(tables))
        raise AnalysisError(f"no point {point_id!r}", hint=f"the points are: {names}")
    mine = rows(tables["connections"], point=point_id)
    if connection is not None and connection not in mine["connection"].to_pylist():
        raise AnalysisError(f"{point_id}: no connection {connection}", hint=f"it has {len(mine)}, from 0 on")
    painters: dict[str, tuple[str, str, Painter]] = {
        kind: (kind, what, paint) for kind, (what, paint) in OF_A_RUN.items()
    }
    painters["subflows"] = ("subflows", "subflows", partial(draw_subflows, connection=connection))
    if "sequence" in kinds and packets is not None and len(mine):
        number = _longest(mine) if connection is None else connection
        of_these = partial(_sequence, packets(number), members[0]["service_path"])
        painters["sequence"] = (f"sequence-{number}", f"sequence numbers of connection {number}", of_these)
    for kind, (name, what, paint) in painters.items():
        figure = _painted(f"{point_id}: {what}", paint, tables, members) if kind in kinds else None
        if figure is not None:
            yield figures.file_name(f"{point_id}-{name}"), f"{point_id}: {what}", figure


def draw_point(
    tables: Tables,
    point_id: str,
    directory: Path,
    kinds: Sequence[str] = KINDS,
    connection: int | None = None,
    packets: Callable[[int], pa.Table] | None = None,
) -> list[Path]:
    """Write the figures of one point into `directory`; returns the files, or raises AnalysisError."""
    drawn = figures_of_point(tables, point_id, kinds, connection, packets)
    return [path for name, _, figure in drawn for path in _saved(figure, directory, name)]


def _sequence(packets: pa.Table, service_path: str, figure: Figure, _tables: Tables, _points: Sequence[Point]) -> bool:
    return draw_sequence(figure, packets, service_path)


def _painted(title: str, paint: Painter, *given: Any) -> Figure | None:
    """The figure, or None where there is nothing to draw; a painter makes it as high as it needs."""
    with style.settings():
        figure = Figure(figsize=_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        if not paint(figure, *given):
            return None
        heading = style.folded(title, figure.get_figwidth())
        if invalid := sum(map(is_invalid, given[-1])):
            heading += f"\n{invalid} of {len(given[-1])} points INVALID, see summary"
        figure.suptitle(heading, fontsize=style.TITLE_SIZE)
    return figure


def _saved(figure: Figure, directory: Path, name: str) -> list[Path]:
    return figures.save(figure, output.make_folder(directory), name)


def _groups(points: Sequence[Point]) -> list[tuple[str, str, list[Point]]]:
    """The points of each experiment and condition: file name, title, members."""

    def key(point: Point) -> tuple[str, str]:
        return point["experiment"] or "captures", point["condition"] or ""

    order = {each: place for place, each in enumerate(dict.fromkeys(key(point) for point in points))}
    found = []
    for (experiment, condition), group in groupby(sorted(points, key=lambda p: order[key(p)]), key=key):
        members = list(group)
        name = f"{experiment}-{condition}" if condition else experiment
        title = members[0]["title"] or name
        found.append((name, f"{title}: {condition}" if condition else title, members))
    return found


def _is_timeline(points: Sequence[Point]) -> bool:
    return any(point["ends_by"] != "requests" for point in points)


def _longest(connections: pa.Table) -> int:
    """The connection with the most payload."""
    both = zip(*(connections[name].to_pylist() for name in ("bytes_to_client", "bytes_to_server")), strict=True)
    sizes = [(one or 0) + (other or 0) for one, other in both]
    number: int = connections["connection"].to_pylist()[sizes.index(max(sizes))]
    return number
