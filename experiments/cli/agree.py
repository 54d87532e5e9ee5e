"""`testbed agree`: the same points in two labs, and whether they come to the same."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from experiments import api
from experiments import plan as planning
from experiments.api.places import clocks_of
from experiments.cli import completion
from experiments.cli.options import clock_option, kernel_option, labs_option, scheme_files, scheme_option, set_option
from experiments.cli.output import show
from experiments.cli.progress import hearing
from testbed.base.errors import UsageError
from testbed.labs.base import Clock
from testbed.labs.catalog import LabSpec


@click.command()
@click.argument("experiment", metavar="FIGURE|FILE", shell_complete=completion.experiments)
@click.option("--profile", default=planning.DEFAULT_PROFILE, show_default=True, help="quick, paper, or the file's own.")
@scheme_option
@scheme_files
@set_option
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Seeds per point.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed.")
@click.option(
    "--tolerance",
    "allowed",
    multiple=True,
    metavar="QUANTITY=PERCENT",
    help="goodput, bypass, joins, failures, resets.",
)
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Points at a time in each lab. Default: one per core.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the two runs go, new or empty.")
@labs_option
@kernel_option
@clock_option
def agree(
    experiment: str,
    profile: str,
    schemes: tuple[str, ...],
    scheme_files: tuple[Path, ...],
    overrides: tuple[str, ...],
    repeat: int,
    seed: int,
    allowed: tuple[str, ...],
    jobs: int | None,
    out: Path | None,
    labs: list[LabSpec],
    kernel: str | None,
    clock: Clock | None,
) -> None:
    """Run EXPERIMENT in two labs and compare them, quantity by quantity; status 6 if they do not agree.

    Each lab uses its usual clock, uml the virtual one, unless --clock says otherwise. Tolerances are in percent of the
    larger value for goodput and resets, in percentage points for the others.
    """
    from analysis.compare.agreement import render

    if len(labs) != 2:
        raise UsageError("agree compares two labs", hint="for example: --lab uml --lab local")
    tolerances = _tolerances(allowed)
    seeds = range(seed, seed + repeat)
    points = {
        str(lab): api.plan(
            [experiment],
            profile=profile,
            seeds=seeds,
            overrides=overrides,
            clocks=clocks_of([lab], clock)[:1],
            schemes=schemes,
            scheme_files=scheme_files,
        )
        for lab in labs
    }
    command = ("testbed", *sys.argv[1:])
    with hearing() as listen:
        found = api.compare_labs(
            points, tolerances=tolerances, out=out, kernel=kernel, jobs=jobs, command=command, listen=listen
        )
    show(render(found.agreement))
    for path in found.files:
        show(path)
    found.require_agreement()


def _tolerances(texts: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value.removesuffix("%"))
        except ValueError:
            raise UsageError(f"--tolerance {text}: not QUANTITY=PERCENT", hint="for example: goodput=5") from None
    return found
