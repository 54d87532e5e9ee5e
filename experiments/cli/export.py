"""`testbed export`: the captures of a point for Wireshark, with what the analysis knows as comments."""

from __future__ import annotations

from pathlib import Path

import click

from experiments import api
from experiments.cli.output import columns, show, warn
from testbed.base.errors import AnalysisError, UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--point", default="", metavar="ID", help="Which point; a run of one point needs none.")
@click.option("--out", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Default: ID.pcapng in RUN.")
def export(run: Path, point: str, out: Path | None) -> None:
    """Write all captures of a point of RUN into one pcapng, for Wireshark and the like.

    Each place is an interface, by its name. Comments say whose each RST is and why it was sent, of which connection
    each join is, and where servers, directors and routes changed: in Wireshark, filter by frame.comment.
    """
    try:
        found = api.export(run, point, out)
    except AnalysisError as error:
        raise UsageError(error.message, hint=error.hint) from error
    warn(found.warnings)
    show(columns([("interface", "frames"), *((name, str(count)) for name, count in found.frames.items())], right=(1,)))
    show(f"\n{found.comments} comments")
    show(found.path)
