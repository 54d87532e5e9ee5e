"""`testbed figures`: figures of a run again, from its tables, for all of it or closely for one point."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from experiments.cli.output import show
from testbed.base.errors import AnalysisError, UsageError
from testbed.runs import store

KINDS = ("bytes", "join-delay", "paths", "resets", "subflows", "sequence")
_OF_A_POINT = KINDS[-2:]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="May be repeated. Default: all.")
@click.option("--point", metavar="ID", help="Only this point, all kinds.")
@click.option(
    "--connection", type=click.IntRange(min=0), help="With --point: subflows and sequence numbers of this one."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Default: figures/ in RUN.")
def figures(run: Path, kinds: tuple[str, ...], point: str | None, connection: int | None, out: Path | None) -> None:
    """Draw figures of RUN from its tables: bytes per path, join delay, paths and RSTs over time.

    With --point also its subflows and the sequence numbers of one connection (the one with the most bytes, or
    --connection). Each as PNG, PDF and SVG.
    """
    single = [kind for kind in kinds if kind in _OF_A_POINT]
    if point is None and (single or connection is not None):
        what = f"--kind {single[0]}" if single else "--connection"
        raise UsageError(f"{what}: of which point?", hint="name it with --point (testbed figures RUN --point ID)")
    store.open_run(run)
    # matplotlib and pyarrow take a second to import, which no other command should pay.
    from analysis import figures as run_figures
    from analysis.summary.of_run import connection_packets
    from analysis.tables import read_table

    target = out or run / "figures"
    needed = (*run_figures.TABLES_OF_A_RUN, *(("announcements",) if point is not None else ()))
    try:
        tables = {name: read_table(run, name) for name in needed}
        if point is None:
            written = run_figures.draw_run(tables, target, kinds or None)
        else:
            packets = partial(connection_packets, run / "points" / point)
            written = run_figures.draw_point(tables, point, target, kinds or KINDS, connection, packets)
    except AnalysisError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if not written:
        raise UsageError(f"{run}: nothing to draw: no such packets in it")
    for path in written:
        show(path)
