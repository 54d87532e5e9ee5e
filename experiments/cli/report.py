"""`testbed report`: the paper's claims against one or several runs, as an HTML page and on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.padding import Padding
from rich.text import Text

from experiments import api
from experiments.api.reporting import PAGE
from experiments.cli.output import Console, Drawing, show
from experiments.cli.own_options import own_figures
from testbed.base.errors import EXIT_FAILURE

if TYPE_CHECKING:
    from analysis.claims import Judgement
    from analysis.report import Report

_STYLES = {"holds": "green", "does not hold": "bold red", "cannot be judged here": "dim"}
_INDENT = 4


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Default: {PAGE} in the first RUN, with --point report-ID.html.",
)
@click.option("--point", "points", multiple=True, metavar="ID", help="Only this point. May be repeated.")
@own_figures
@click.option("--strict", is_flag=True, help="Exit with status 1 if a claim does not hold.")
@click.pass_context
def report(
    context: click.Context,
    runs: tuple[Path, ...],
    out: Path | None,
    points: tuple[str, ...],
    own: tuple[Path, ...],
    strict: bool,
) -> None:
    """Judge the paper's claims by one or several RUNs: a self-contained HTML page, and the same in short here.

    The page has the time line of each point to scrub, as far as there is room for them: with --point, of these points.

    Exit status: 0 once the report is written, whatever the verdicts are (with --strict: 1 if a claim does not hold);
    2 bad input. A FILE that is there already is replaced only if it is a report.
    """
    # matplotlib takes a second to import, which no other command should pay.
    from analysis.claims import Verdict

    written = api.report(runs, points=points, out=out, figures=own)
    _show(written.report)
    show(f"\n{written.path}")
    context.exit(EXIT_FAILURE if strict and written.report.count(Verdict.FAILS) else 0)


def _show(compiled: Report) -> None:
    """Print it in the terminal's colours and width; to a file or a pipe it is plain text, and no line is folded."""
    from analysis.claims import Verdict

    console = Drawing(width=None if Console().is_terminal else 10_000)
    for judgement in compiled.judgements:
        _show_claim(console, judgement)
    if compiled.warnings:
        console.print(Text("\nWarnings", style="bold"))
    for warning in compiled.warnings:
        console.print(Padding(Text(warning), (0, 0, 0, _INDENT), expand=False))
    for details in compiled.details:
        console.print(Text(f"\nA closer look at {details.run}: figures/", style="bold"))
        names = ", ".join(each.name for each in details.figures) or details.missing or "none"
        console.print(Padding(Text(names), (0, 0, 0, _INDENT), expand=False))
    counts = ", ".join(f"{compiled.count(verdict)} {verdict.value}" for verdict in Verdict)
    if compiled.elsewhere:
        counts += f"; {compiled.elsewhere} more are about points that are not here"
    console.print(Text(f"\n{len(compiled.judgements)} claims: {counts}", style="bold"))
    show(console.text())


def _show_claim(console: Console, judgement: Judgement) -> None:
    claim, finding = judgement.claim, judgement.finding
    verdict = judgement.verdict.value
    head = Text.assemble((f"{verdict:<23}", _STYLES[verdict]), (claim.id, "bold"), f"  {claim.place}")
    body = [Text(claim.sentence)]
    if claim.paper:
        body.append(Text(f"paper: {claim.paper}"))
    for check in finding.checks:
        mark = {True: "+", False: "-", None: "?"}[check.holds]
        body.append(Text(f"{mark} {check.label}: {check.measured or check.why}; wanted: {check.bound}"))
    if not finding.checks:
        body.append(Text(finding.reason))
    if judgement.label:
        body.append(Text(f"by {judgement.label}"))
    for other in judgement.others:
        style = _STYLES[other.finding.verdict.value]
        body.append(Text.assemble(f"by {other.label}: ", (other.finding.verdict.value, style), f"; {other.measured}"))
    if judgement.known_reason:
        body.append(Text(f"a known difference: {judgement.known_reason}"))
    console.print(head)
    for line in body:
        console.print(Padding(line, (0, 0, 0, _INDENT), expand=False))
