"""Figures of a run again, from its summary and tables: of all of it, or closely of one point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.base.errors import UsageError
from testbed.runs import store

if TYPE_CHECKING:
    from analysis.figures.drawing import Drawing, Drawn
    from analysis.figures.registry import Registry

_CLOSE = ("point", "connection")


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that was drawn: its kind, its files' name, its heading, and its bytes; notebooks show it."""

    kind: str
    name: str
    title: str
    png: bytes = field(repr=False)
    pdf: bytes = field(repr=False)
    svg: bytes = field(repr=False)

    def _repr_png_(self) -> bytes:
        return self.png


def draw(
    directory: Path,
    *,
    kinds: Sequence[str] = (),
    point: str | None = None,
    connection: int | None = None,
    figures: Sequence[Path] = (),
) -> list[Picture]:
    """Draw figures of a run, or with `point` (its id) of one point, its subflows and one connection.

    `kinds` are names of figures (`testbed figures --list`), none of them: all. The connection is that with the most
    bytes, or `connection`. `figures` are Python files with figures of the caller's own. Nothing is written. Raises
    `UsageError` for a figure that is none, or not of what is asked for, and `AnalysisError` for a run that is not
    analysed, a point or a connection that is not there, and a figure of the caller's own that fails.
    """
    from analysis.figures.drawing import pictures

    found = []
    for drawing in drawings(directory, registry_of(figures), kinds=kinds, point=point, connection=connection):
        if drawn := pictures(drawing):
            found.append(Picture(drawing.figure.name, drawing.name, drawing.title, **drawn.files))
    return found


def draw_to(
    directory: Path,
    out: Path,
    registry: Registry,
    *,
    kinds: Sequence[str] = (),
    point: str | None = None,
    connection: int | None = None,
) -> Drawn:
    """As `draw`, into files: each as PNG, PDF and SVG in `out`. A figure that fails costs the others nothing."""
    from analysis.figures.drawing import save

    return save(drawings(directory, registry, kinds=kinds, point=point, connection=connection), out)


def registry_of(figures: Sequence[Path] = ()) -> Registry:
    """All figures, with those that these files declare; raises `UsageError` for one that declares none."""
    from analysis.figures.registry import load_registry

    return load_registry(figures)


def drawings(
    directory: Path,
    registry: Registry,
    *,
    kinds: Sequence[str] = (),
    point: str | None = None,
    connection: int | None = None,
) -> Iterator[Drawing]:
    """What `draw` draws, each made when it is asked for; raises as it does, before the first."""
    from analysis.figures import gallery
    from analysis.summary.of_point import connection_packets
    from analysis.tables import read_table

    store.open_run(directory)
    _require_fit(registry, kinds, point, connection)
    names = (*kinds, *registry.own) if kinds else None
    scopes: tuple[Any, ...] = _CLOSE if point is not None else ("experiment",)
    tables = {name: read_table(directory, name) for name in gallery.tables_of_a_run(registry, *scopes)}
    if point is not None:
        packets = partial(connection_packets, directory / "points" / point)
        return gallery.of_point(registry, tables, point, names, connection=connection, packets=packets)
    return gallery.of_all(registry, tables, _summaries(directory), names)


def not_at_hand(directory: Path, registry: Registry) -> list[str]:
    """A line on each figure that points of the run name, and the registry has not."""
    from analysis.figures import gallery

    return gallery.not_at_hand(registry, _summaries(directory))


def _summaries(directory: Path) -> Sequence[Any]:
    from analysis.summary.model import SUMMARY_FILE, read_summary

    return read_summary(directory) if (directory / SUMMARY_FILE).exists() else []


def _require_fit(registry: Registry, kinds: Sequence[str], point: str | None, connection: int | None) -> None:
    """Raise UsageError for a figure that is not, or not of what is asked for."""
    registry.check(kinds)
    for name in (*kinds, *registry.own):
        figure = registry.figures[name]
        if point is None and figure.scope in _CLOSE:
            hint = "name it with --point (testbed figures RUN --point ID)"
            raise UsageError(f"--kind {name}: of which point?", hint=hint)
        if point is not None and figure.scope == "experiment":
            raise UsageError(f"{name}: a figure of an experiment, not of a point", hint="leave out --point")
    if point is None and connection is not None:
        hint = "name it with --point (testbed figures RUN --point ID)"
        raise UsageError("--connection: of which point?", hint=hint)
