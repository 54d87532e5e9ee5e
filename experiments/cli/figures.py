"""`testbed figures`: figures of a run again, from its summary and tables: all of it, or closely one point."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.api import pictures
from experiments.cli.given import require_not_given
from experiments.cli.output import columns, show, warn
from experiments.cli.own_options import own_figures
from testbed.base.errors import AnalysisError, UsageError
from testbed.runs import store

_HINT = "testbed figures RUN; what there is: testbed figures --list"
_LIST = "each of the figures, and what it is of: testbed figures --list"

_OF_A_RUN = ("run", "kinds", "point", "connection", "out")


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
@click.pass_context
def figures(
    context: click.Context,
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
    if listed:
        require_not_given(context, _OF_A_RUN, "--list draws nothing, and is the same for every run")
    if run is not None:
        store.open_run(run)
    registry = pictures.registry_of(own)
    warn(registry.problems)
    if run is None:
        show(columns([(each.name, each.scope, each.title, each.source) for each in registry.figures.values()]))
        return
    try:
        drawn = pictures.draw_to(run, out or run / "figures", registry, kinds=kinds, point=point, connection=connection)
        if not kinds and point is None:
            warn(pictures.not_at_hand(run, registry))
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
