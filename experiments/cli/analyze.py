"""`testbed analyze`: the tables, the summary and the figures of a run again, or of captures from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from experiments import api
from experiments.cli.output import show, show_files, tell, warn
from experiments.cli.own_options import own_figures
from testbed.base.errors import AnalysisError, UsageError
from testbed.base.text import plain

_MOST_KINDS = 8
_STDIN = Path("/dev/stdin")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="DIR|PCAP...", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to write. Default: DIR; for captures: nowhere."
)
@click.option(
    "--service", metavar="ADDR:PORT", help="Captures: the load balancer's or anycast address. Default: guessed."
)
@click.option("--unique", multiple=True, metavar="ADDR", help="Captures: a server's own address. Default: guessed.")
@click.option("--packets", is_flag=True, help="Captures: a table of all packets as well (with --out).")
@own_figures
@click.option("--all", "every", is_flag=True, help="Show every connection.")
def analyze(
    paths: tuple[Path, ...],
    out: Path | None,
    service: str | None,
    unique: tuple[str, ...],
    packets: bool,
    own: tuple[Path, ...],
    every: bool,
) -> None:
    """Analyse a run (DIR), or captures of one or several places (PCAP...; - is standard input), from any lab.

    Shows the connections and why RSTs were sent; writes tables, of a run also summary and figures. Exit status: 0,
    2 bad input, 6 a point is invalid, or a capture is not whole.
    """
    paths = tuple(_STDIN if str(path) == "-" else path for path in paths)
    if paths.count(_STDIN) > 1:
        raise UsageError("standard input is named twice", hint="it is one capture: name it once, as -")
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: no such file or directory", hint="name the directory of a run, or captures")
    directories = [path for path in paths if path.is_dir()]
    try:
        if not directories:
            _captures(paths, out, service=service, unique=unique, own=own, packets=packets, every=every)
        elif len(paths) > 1:
            raise UsageError(f"{directories[0]}: a run is analysed alone", hint="name one run, or captures")
        elif service or unique or packets:
            raise UsageError(
                "--service, --unique and --packets are for captures",
                hint="leave them out: a run says who is who",
            )
        else:
            _run(paths[0], out or paths[0], own, every=every)
    except AnalysisError as error:
        raise UsageError(str(error)) from error


def _run(directory: Path, out: Path, own: Sequence[Path], *, every: bool) -> None:
    from testbed.runs import store

    if not (directory / store.MANIFEST).exists() and any(directory.glob("*.pcap*")):
        raise UsageError(
            f"{directory}: not a run directory: it has no {store.MANIFEST}", hint=f"its captures: {directory}/*.pcap"
        )
    found = api.analyse(directory, out=out, figures=own)
    _show(found.tables, every=every)  # what is written is there whether or not somebody reads this to its end
    show(found.text())
    show_files(found.files)
    warn(found.notes)
    found.require_valid()


def _captures(
    paths: Sequence[Path],
    out: Path | None,
    *,
    service: str | None,
    unique: Sequence[str],
    own: Sequence[Path],
    packets: bool,
    every: bool,
) -> None:
    from analysis.pcap.tally import in_words

    for option, asked in (("--packets", packets), ("--figure", own)):
        if asked and out is None:
            raise UsageError(f"{option}: where to?", hint="name a directory with --out")
    found = api.analyse_captures(paths, service=service, unique=unique, packets=packets, out=out, figures=own)
    warn(found.problems)
    _show(found.tables, every=every)
    show("\n".join(f"{name}: {', '.join(each) or 'none'}" for name, each in found.names.items()))
    if found.others or found.opaque:
        show(f"other frames: {in_words({**found.others, **found.opaque}, _MOST_KINDS)}")
    for note in found.notes:
        show(f"note: {plain(note)}")
    show_files(found.files)
    if found.opaque:
        tell(f"testbed: warning: there may be TCP in {in_words(found.opaque, _MOST_KINDS)}, which are not decoded")
    for warning in found.warnings[1:]:
        tell(f"testbed: warning: not whole: {plain(warning)}")
    found.require_whole()


def _show(tables: Mapping[str, Any], *, every: bool) -> None:
    from analysis.summary.overview import MOST_CONNECTIONS, render_overview

    show(render_overview(tables, None if every else MOST_CONNECTIONS))
