"""`testbed figures`: figures of a run again, from its summary and tables: all of it, or closely one point."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments.cli.output import columns, show, warn
from experiments.cli.own_options import own_figures
from testbed.base.errors import AnalysisError, UsageError
from testbed.runs import store

if TYPE_CHECKING:
    from analysis.figures.drawing import Drawn
    from analysis.figures.registry import Registry

_CLOSE = ("point", "connection")
_HINT = "testbed figures RUN; what there is: testbed figures --list"
_LIST = "each of the figures, and what it is of: testbed figures --list"


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--kind", "kinds", multiple=True, metavar="NAME", help="May be repeated. Default: all.")
@own_figures
@click.option("--point", metavar="ID", help="Only this point, all kinds.")
@click.option(
    "--connection", type=click.IntRange(min=0), help="With --point: subflows and sequence numbers of this one."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Default: figures/ in RUN.")
@click.option("--list", "listed", is_flag=True, help="List the kinds of figures instead.")
def figures(
    run: Path | None,
    kinds: tuple[str, ...],
    own: tuple[Path, ...],
    point: str | None,
    connection: int | None,
    out: Path | None,
    listed: bool,
) -> None:
    """Draw figures of RUN from its summary and tables: those of its experiments and those of any run (--list).

    With --point those of one point, its subflows and the sequence numbers of one connection (the one with the most
    bytes, or --connection). Each as PNG, PDF and SVG.
    """
    if run is None and not listed:
        raise UsageError("which RUN?", hint=_HINT)
    if run is not None and not listed:
        store.open_run(run)
    # matplotlib and pyarrow take a second to import, which no other command should pay.
    from analysis.figures.registry import load_registry

    registry = load_registry(own)
    warn(registry.problems)
    if run is None or listed:
        show(columns([(each.name, each.scope, each.title, each.source) for each in registry.figures.values()]))
        return
    _require_fit(registry, kinds, point, connection)
    names = (*kinds, *registry.own) if kinds else None
    try:
        drawn = _draw(run, out or run / "figures", registry, names=names, point=point, connection=connection)
    except AnalysisError as error:
        raise UsageError(error.message, hint=error.hint) from error
    for path in drawn.files:
        show(path)
    warn(drawn.problems[:-1])
    if drawn.problems:
        raise UsageError(drawn.problems[-1])
    if empty := drawn.empty(registry):
        raise UsageError(f"{empty[0]} of {run}", hint=_LIST)
    if not drawn.files:
        raise UsageError(f"{run}: nothing to draw: no such packets in it", hint=_LIST)


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


def _draw(
    run: Path,
    target: Path,
    registry: Registry,
    *,
    names: Sequence[str] | None,
    point: str | None,
    connection: int | None,
) -> Drawn:
    from analysis.figures import gallery
    from analysis.figures.drawing import save
    from analysis.summary.model import SUMMARY_FILE, read_summary
    from analysis.summary.of_point import connection_packets
    from analysis.tables import read_table

    scopes: tuple[Any, ...] = _CLOSE if point is not None else ("experiment",)
    tables = {name: read_table(run, name) for name in gallery.tables_of_a_run(registry, *scopes)}
    if point is not None:
        packets = partial(connection_packets, run / "points" / point)
        return save(gallery.of_point(registry, tables, point, names, connection=connection, packets=packets), target)
    summaries = read_summary(run) if (run / SUMMARY_FILE).exists() else []
    if names is None:
        warn(gallery.not_at_hand(registry, summaries))
    return save(gallery.of_all(registry, tables, summaries, names), target)
