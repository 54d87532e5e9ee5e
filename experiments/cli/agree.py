"""`testbed agree`: the same points in two labs, and whether they come to the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click

from experiments import plan as planning
from experiments.cli import guest
from experiments.cli.labs import clock_option, clocks_of, labs_option, open_places
from experiments.cli.output import show
from experiments.cli.progress import watch
from experiments.cli.run import RESULTS, closing, facts_of, plan_points, task_of
from experiments.plan import Point
from testbed.base.errors import PointsFailed, UsageError
from testbed.labs import cores
from testbed.labs.base import Cancel, Clock
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.runs import scheduler, store
from testbed.runs.scheduler import Place

_SOON = LabOptions(core_wait_s=30)  # few points, and somebody is waiting; virtual time is exact on a shared core too


@click.command()
@click.argument("experiment", metavar="FIGURE|FILE")
@click.option("--profile", default=planning.DEFAULT_PROFILE, show_default=True, help="quick, paper, or the file's own.")
@guest.set_option
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
@clock_option
def agree(
    experiment: str,
    profile: str,
    overrides: tuple[str, ...],
    repeat: int,
    seed: int,
    allowed: tuple[str, ...],
    jobs: int | None,
    out: Path | None,
    labs: list[LabSpec],
    clock: Clock | None,
) -> None:
    """Run EXPERIMENT in two labs and compare them, quantity by quantity; status 6 if they do not agree.

    Each lab uses its usual clock, uml the virtual one, unless --clock says otherwise. Tolerances are in percent of the
    larger value for goodput and resets, in percentage points for the others.
    """
    from analysis.compare import agreement as agreements
    from analysis.compare.agreement_figure import draw_agreement
    from analysis.summary.of_run import analyse_run, write_summary

    if len(labs) != 2:
        raise UsageError("agree compares two labs", hint="for example: --lab uml --lab local")
    tolerances = agreements.tolerances(_tolerances(allowed))
    seeds = range(seed, seed + repeat)
    plans = [plan_points([experiment], profile, seeds, overrides, clocks_of([lab], clock)[:1]) for lab in labs]
    cancel = Cancel()
    with ExitStack() as stack:
        places = stack.enter_context(open_places(labs, jobs, _SOON))
        for place, points in zip(places, plans, strict=True):
            scheduler.require([task_of(point) for point in points], [place])
        directory = out or RESULTS / f"{datetime.now():%Y%m%d-%H%M%S}-agree-{plans[0][0].experiment}"
        _make(directory)
        stack.enter_context(scheduler.cancel_on_signals(cancel))
        runs = [_run(points, place, directory, cancel) for points, place in zip(plans, places, strict=True)]
    summaries = [analyse_run(run.directory, len(cores.available())) for run in runs]
    for run, summary in zip(runs, summaries, strict=True):
        write_summary(run.directory, summary)
    names = (str(labs[0]), str(labs[1]))
    found = agreements.compare(names, summaries[0], summaries[1], tolerances)
    written = [*agreements.write_agreement(directory, found), *draw_agreement(directory, found)]
    show(agreements.render(found))
    for path in written:
        show(path)
    if problems := found.problems():
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise PointsFailed(f"the labs do not agree: {problems[0]}{more}", hint=f"see {written[1]}")


def _tolerances(texts: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value.removesuffix("%"))
        except ValueError:
            raise UsageError(f"--tolerance {text}: not QUANTITY=PERCENT", hint="for example: goodput=5") from None
    return found


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory}: not empty", hint="name a new directory")
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written: {error.strerror}") from error


def _run(points: Sequence[Point], place: Place, directory: Path, cancel: Cancel) -> store.RunStore:
    """Run the points in one lab, in a run's directory that is named like it."""
    plan = [point.model_dump(mode="json") for point in points]
    name = re.sub(r"[^A-Za-z0-9.@_-]+", "-", place.lab.name)
    run = store.create(directory / name, [point.id for point in points], {**facts_of([place]), "plan": plan})
    tasks = [task_of(point) for point in points]
    with run.lock(), closing(run), watch(tasks, place.width) as watcher:
        scheduler.run(tasks, [place], run, cancel=cancel, watcher=watcher)
    return run
