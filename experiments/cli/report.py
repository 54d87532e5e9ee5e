"""`testbed report`: the paper's claims against one or several runs, as an HTML page and on the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.padding import Padding
from rich.text import Text

from experiments.cli.output import Console, Drawing, show
from experiments.cli.own_options import own_figures
from testbed.base import files, ownership
from testbed.base.errors import EXIT_FAILURE, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from analysis.claims import Judgement
    from analysis.report import Report, RunFacts

_STYLES = {"holds": "green", "does not hold": "bold red", "cannot be judged here": "dim"}
_PAGE = "report.html"
_BEGINNING = 1024
# The second is of pages of older toolkits.
_MARKS = (b'<meta name="generator" content="testbed report">', b'initial-scale=1">\n<title>Report: ')
_INDENT = 4


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Default: {_PAGE} in the first RUN, with --point report-ID.html.",
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
    from analysis.figures.registry import load_registry
    from analysis.report import compile_report, read_run, render_page
    from testbed.base.errors import AnalysisError
    from testbed.record.writing import is_of_run

    path = out or runs[0] / (f"report-{points[0]}.html" if points else _PAGE)
    try:
        facts = [read_run(run) for run in runs]
    except AnalysisError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if points:
        facts = _only(facts, points)
    _require_free(path)
    compiled = compile_report(facts, load_registry(own))
    _write(path, render_page(compiled), note=is_of_run(path))
    _show(compiled)
    show(f"\n{path}")
    context.exit(EXIT_FAILURE if strict and compiled.count(Verdict.FAILS) else 0)


def _only(runs: Sequence[RunFacts], points: Sequence[str]) -> list[RunFacts]:
    """The runs with these points alone; raises `UsageError` for one that is in none of them."""
    known = {point.id for run in runs for point in run.points}
    for point in points:
        if point not in known:
            near = get_close_matches(point, sorted(known), 3)
            raise UsageError(
                f"--point: no point {point!r}", hint=f"for example: {', '.join(near or sorted(known)[:3])}"
            )
    return [run for run in (run.only(points) for run in runs) if run.points]


def _require_free(path: Path) -> None:
    """Raise `UsageError` unless the path is free or has an older report: what the user has there stays."""
    if not os.path.lexists(path):
        return
    what = "not a report"
    if path.is_symlink():
        what = "a link, which is not followed"
    elif path.is_dir():
        what = "a directory"
    elif not path.is_file():
        what = "not a regular file"
    elif _is_report(path):
        return
    raise UsageError(f"{path}: it is there already, and {what}", hint="name another file with --out")


def _is_report(path: Path) -> bool:
    """Whether the file begins as our pages do."""
    try:
        with files.open_regular(path) as file:
            beginning = file.read(_BEGINNING)
    except OSError:
        return False
    return any(mark in beginning for mark in _MARKS)


def _write(path: Path, text: str, *, note: bool) -> None:
    ownership.remove_drafts(path.parent, path.name)
    try:
        files.write_text(path, text)
        if note:
            ownership.note(path)
    except OSError as error:
        raise PrerequisiteError(
            f"{path}: cannot be written: {error.strerror or error}", hint="name another file with --out"
        ) from error


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
