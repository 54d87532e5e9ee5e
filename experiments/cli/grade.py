"""`testbed grade`: a student's run or experiment by a teacher's claims."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.padding import Padding
from rich.text import Text

from experiments import api
from experiments.api.grading import Grade, Grades
from experiments.cli.options import labs_option
from experiments.cli.output import Console, Drawing, show
from experiments.cli.progress import hearing
from experiments.free_path import require_free
from testbed.base import files
from testbed.base.errors import EXIT_FAILURE, AnalysisError, PrerequisiteError, UsageError
from testbed.labs.catalog import LabSpec

_MOST_BYTES = 16 << 20
_STYLES = {"holds": "green", "does not hold": "bold red", "cannot be judged here": "bold yellow"}


@click.command()
@click.argument("claims", type=click.Path(path_type=Path), metavar="CLAIMS.toml")
@click.argument("work", type=click.Path(path_type=Path), metavar="RUN|FILE.toml")
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Points at a time, where they are run again.")
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), help="The marks as JSON, too.")
@click.option("--strict", is_flag=True, help="Exit with status 1 unless every claim holds.")
@labs_option
@click.pass_context
def grade(
    context: click.Context,
    claims: Path,
    work: Path,
    jobs: int | None,
    out: Path | None,
    strict: bool,
    labs: list[LabSpec],
) -> None:
    """Grade a student's RUN, or experiment FILE.toml, by the claims of CLAIMS.toml.

    A claim is a bound that holds in every seed, not a digit. With seeds in [hidden] the points are run again with
    these, and nothing of RUN but its settings is believed; without, RUN is analysed anew. docs/teaching.md has an
    exercise.
    """
    if out is not None:
        require_free(out, "marks of testbed grade", _is_marks, begins=_MOST_BYTES, option="--json")
    try:
        with hearing() as listen:
            found = api.grade(claims, work, labs=labs, jobs=jobs, listen=listen)
    except AnalysisError as error:
        raise UsageError(error.message, hint=error.hint) from error
    _show(found)
    if out is not None:
        try:
            files.write_text(out, json.dumps(_plain(found), indent=2) + "\n")
        except OSError as error:
            raise PrerequisiteError(f"{out}: cannot be written: {error.strerror or error}") from error
    context.exit(EXIT_FAILURE if strict and found.earned < found.worth else 0)


def _show(found: Grades) -> None:
    console = Drawing(width=None if Console().is_terminal else 10_000)
    if found.title:
        console.print(Text(found.title, style="bold"))
    for each in found.grades:
        verdict = each.finding.verdict.value
        console.print(
            Text.assemble(
                (f"{verdict:<23}", _STYLES[verdict]), f"{each.earned:g} of {each.claim.worth:g}  ", (each.name, "bold")
            )
        )
        for line in _lines(each):
            console.print(Padding(Text(line), (0, 0, 0, 4), expand=False))
    seeds = f"{'hidden seeds' if found.hidden else 'seeds'} {', '.join(map(str, found.seeds))}"
    console.print(Text(f"\n{found.earned:g} of {found.worth:g} marks, by {seeds}", style="bold"))
    show(console.text())


def _lines(each: Grade) -> list[str]:
    finding = each.finding
    marks = {True: "+", False: "-", None: "?"}
    checks = [f"{marks[c.holds]} {c.label}: {c.measured or c.why}; wanted: {c.bound}" for c in finding.checks]
    hint = [f"hint: {each.claim.hint}"] if each.claim.hint and not each.earned else []
    return [each.claim.says, *(checks or [finding.reason]), *hint]


def _is_marks(text: bytes) -> bool:
    try:
        older = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(older, dict) and {"earned", "worth", "seeds", "claims"} <= older.keys()


def _plain(found: Grades) -> dict[str, object]:
    claims = [
        {
            "claim": each.name,
            "verdict": each.finding.verdict.value,
            "earned": each.earned,
            "worth": each.claim.worth,
            "reason": each.finding.reason,
        }
        for each in found.grades
    ]
    return {"earned": found.earned, "worth": found.worth, "seeds": list(found.seeds), "claims": claims}
