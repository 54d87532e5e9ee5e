"""Which figures a run or a point gets, chosen by what its points say about themselves: their `plot` and their traits.

Enters: the summaries, the tables, or both. Leaves: drawings, each made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count, groupby

import pyarrow as pa

from analysis.figures.declaration import Data, Figure, Row, Scope, Tables
from analysis.figures.drawing import Drawing
from analysis.figures.files import file_name
from analysis.figures.registry import Registry
from analysis.figures.selection import points as points_of
from analysis.figures.selection import rows
from analysis.summary.model import PointSummary
from analysis.summary.text import figure_number, figure_order, group_title
from analysis.tables import TABLES
from testbed.base.errors import AnalysisError


def of_experiments(
    registry: Registry, summaries: Sequence[PointSummary], tables: Tables | None = None, *, asked: Collection[str] = ()
) -> Iterator[Drawing]:
    """The figures that the points name (`plot`), one per condition, in the order of the figures' numbers.

    Those `asked` for are drawn of every point. A plot that is none of the registry's figures is in `not_at_hand`.
    """
    place = {name: number for number, name in enumerate(dict.fromkeys(point.condition for point in summaries))}
    wanted = [
        (point, figure)
        for point in summaries
        for figure in registry.of_scope("experiment")
        if figure.name in (point.plot, *asked)
    ]

    def of_figure(each: tuple[PointSummary, Figure]) -> tuple[int, str, str, int]:
        point, figure = each
        where = 0 if figure.together else place[point.condition]
        return (*figure_order(point.figure, point.experiment), figure.name, where)

    taken: set[str] = set()
    for _, group in groupby(sorted(wanted, key=of_figure), key=of_figure):
        members, figures = zip(*group, strict=True)
        figure, first = figures[0], members[0]
        # Of all conditions together, the figure's name is that of none of them.
        shown = [replace(each, condition="") for each in members] if figure.together else members
        name, title = _experiment_name(shown[0]), group_title(shown)
        if first.plot != figure.name:
            name, title = f"{name}-{figure.name}", f"{title}: {figure.title}"
        name = next(each for number in count(1) if (each := f"{name}-{number}" if number > 1 else name) not in taken)
        taken.add(name)
        siblings = [point for point in summaries if point.experiment == first.experiment]
        ids = {point.id for point in members}
        # Ours have rows where they read tables, and so none in a report, which has the tables of those alone.
        mine = points_of(tables) if tables and (figure.tables or figure.source) else []
        members_rows = [point for point in mine if point["point"] in ids]
        yield Drawing(figure, name, title, Data(_needed(figure, tables or {}), members_rows, members, siblings))


def not_at_hand(registry: Registry, summaries: Sequence[PointSummary]) -> list[str]:
    """A line on every plot that points name and no figure has."""
    missing: dict[tuple[str, str], int] = {}
    for point in summaries:
        if point.plot and point.plot not in registry.figures:
            key = (point.experiment or "unknown experiment", point.plot)
            missing[key] = missing.get(key, 0) + 1
    return [
        f"{experiment}: {number} points have the plot {plot!r}, a figure that is not at hand: "
        f"name its file with --figure (the figures are: {', '.join(registry.figures)})"
        for (experiment, plot), number in missing.items()
    ]


def tables_of_a_run(registry: Registry, *more: Scope) -> list[str]:
    """The tables that the figures of a run (and of more scopes) are drawn from."""
    needed = {name for figure in registry.of_scope("run", *more) for name in figure.tables}
    return [name for name in TABLES if name in needed | {"points", "connections"}]


def of_run(
    registry: Registry, tables: Tables, names: Collection[str] | None = None, summaries: Sequence[PointSummary] = ()
) -> Iterator[Drawing]:
    """The figures of every experiment of a run, from its tables, one per condition.

    Without `names` those that want to be drawn of such points, and those of the user's own files.
    """
    together = {
        each.experiment for each in summaries if (figure := registry.figures.get(each.plot)) and figure.together
    }
    for base, heading, members in _groups(points_of(tables)):
        ids = {point["point"] for point in members}
        mine = [summary for summary in summaries if summary.id in ids]
        for figure in registry.of_scope("run"):
            unasked = members[0]["experiment"] not in together and figure.unasked(members)
            unasked = unasked or figure.name in registry.own
            if figure.name in names if names is not None else unasked:
                name, title = file_name(f"{base}-{figure.name}"), f"{heading}: {figure.title}"
                yield Drawing(figure, name, title, Data(_needed(figure, tables), members, mine, mine))


def of_all(
    registry: Registry, tables: Tables, summaries: Sequence[PointSummary], names: Collection[str] | None = None
) -> Iterator[Drawing]:
    """The figures of the experiments and of the run, without `names` those that the points want.

    A figure that is named, or in a user's own file, is drawn of all points.
    """
    asked = registry.own if names is None else names
    for drawing in of_experiments(registry, summaries, tables, asked=asked):
        if names is None or drawing.figure.name in names:
            yield drawing
    yield from of_run(registry, tables, names, summaries)


def of_point(
    registry: Registry,
    tables: Tables,
    point_id: str,
    names: Collection[str] | None = None,
    *,
    connection: int | None = None,
    packets: Callable[[int], pa.Table] | None = None,
) -> Iterator[Drawing]:
    """The figures of one point from its tables, without `names` all of them.

    `packets(connection)` gives the packets of a connection: of `connection`, else of that with the most bytes. Raises
    AnalysisError for a point or a connection that is not there.
    """
    members = [point for point in points_of(tables) if point["point"] == point_id]
    if not members:
        points = ", ".join(point["point"] for point in points_of(tables))
        raise AnalysisError(f"no point {point_id!r}", hint=f"the points are: {points}")
    mine = rows(tables["connections"], point=point_id)
    if connection is not None and connection not in mine["connection"].to_pylist():
        raise AnalysisError(f"{point_id}: no connection {connection}", hint=f"it has {len(mine)}, from 0 on")
    for figure in registry.of_scope("run", "point", "connection"):
        if names is not None and figure.name not in names:
            continue
        number, name, title, its_packets = connection, figure.name, figure.title, None
        if figure.scope == "connection":
            if packets is None or not len(mine):
                continue
            number = _longest(mine) if connection is None else connection
            name, title, its_packets = f"{name}-{number}", f"{title} of connection {number}", packets(number)
        data = Data(_needed(figure, tables), members, connection=number, packets=its_packets)
        yield Drawing(figure, file_name(f"{point_id}-{name}"), f"{point_id}: {title}", data)


def _needed(figure: Figure, tables: Tables) -> Tables:
    """The tables that a figure declares; captures from elsewhere lack some, which are then empty."""
    return {name: tables[name] if name in tables else TABLES[name].empty() for name in figure.tables}


def _experiment_name(point: PointSummary) -> str:
    number = figure_number(point.figure)
    name = f"fig{number:02d}" if number is not None else point.figure or point.experiment
    return file_name(f"{name}-{point.condition}" if point.condition else name)


def _groups(points: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    """The points of each experiment and condition: file name, title, members."""

    def key(point: Row) -> tuple[str, str]:
        return point["experiment"] or "captures", point["condition"] or ""

    order = {each: place for place, each in enumerate(dict.fromkeys(key(point) for point in points))}
    found = []
    for (experiment, condition), group in groupby(sorted(points, key=lambda p: order[key(p)]), key=key):
        members = list(group)
        name = f"{experiment}-{condition}" if condition else experiment
        title = members[0]["title"] or name
        found.append((name, f"{title}: {condition}" if condition else title, members))
    return found


def _longest(connections: pa.Table) -> int:
    """The connection with the most payload."""
    both = zip(*(connections[name].to_pylist() for name in ("bytes_to_client", "bytes_to_server")), strict=True)
    sizes = [(one or 0) + (other or 0) for one, other in both]
    number: int = connections["connection"].to_pylist()[sizes.index(max(sizes))]
    return number
