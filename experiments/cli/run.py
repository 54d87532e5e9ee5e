"""`testbed run`: from names of figures to a run directory with raw data, a summary and figures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

import click

from experiments import api
from experiments import plan as planning
from experiments.api.events import Listener
from experiments.api.places import clocks_of, kernel_of, require_check_share, require_shared_boot
from experiments.api.planning import stored_points, task_of
from experiments.api.unfinished import find_unfinished
from experiments.cli import completion
from experiments.cli.given import require_not_given
from experiments.cli.options import (
    NumberRange,
    clock_option,
    kernel_option,
    labs_option,
    scheme_files,
    scheme_option,
    set_option,
)
from experiments.cli.output import columns, show, show_files, warn
from experiments.cli.own_options import own_parts, trust_option
from experiments.cli.progress import hearing, tell_of
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.units import format_size
from testbed.labs import cores
from testbed.labs.base import Clock
from testbed.labs.catalog import LabSpec
from testbed.record.point import Point
from testbed.runs.tasks import total_s

_PLANNING = ("profile", "schemes", "scheme_files", "overrides", "repeat", "real_repeat", "seed", "clock")
"""What makes the points of experiments; a run that goes on has its own."""


class _Common(TypedDict):
    """What a new run and one that goes on are told alike."""

    labs: list[LabSpec]
    kernel: str | None
    jobs: int | None
    shared_boot: bool
    check_share: float
    figures: list[Path]
    command: tuple[str, ...]
    listen: Listener


@click.command()
@click.argument("figures", nargs=-1, metavar="FIGURE|FILE...", shell_complete=completion.experiments)
@click.option("--profile", default=planning.DEFAULT_PROFILE, show_default=True, help="quick, paper, or the file's own.")
@scheme_option
@scheme_files
@set_option
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Points at a time in each lab. Default: one per core.")
@click.option(
    "--shared-boot", is_flag=True, help="Boot once for many points in virtual time (uml): the same outcome, for less."
)
@click.option(
    "--check-share",
    type=NumberRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Have so many of the points done by two workers, and compare them byte by byte (dask), e.g. 0.1.",
)
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Seeds per point.")
@click.option(
    "--real-repeat",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Seeds per point in real time, whose noise one alone does not show.  [default: as --repeat]",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed.")
@click.option("--dry-run", is_flag=True, help="List the points and an estimate of the time; run nothing.")
@click.option("--resume", is_flag=True, help="Continue the newest unfinished run (the one in --out, if given).")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run's directory, new or empty.")
@labs_option
@kernel_option
@clock_option
@own_parts
@trust_option
@click.pass_context
def run(
    context: click.Context,
    figures: tuple[str, ...],
    profile: str,
    schemes: tuple[str, ...],
    scheme_files: tuple[Path, ...],
    overrides: tuple[str, ...],
    jobs: int | None,
    shared_boot: bool,
    check_share: float,
    repeat: int,
    real_repeat: int | None,
    seed: int,
    dry_run: bool,
    resume: bool,
    out: Path | None,
    labs: list[LabSpec],
    kernel: str | None,
    clock: Clock | None,
    own: tuple[Path, ...],
    trust_code: bool,
) -> None:
    """Run experiments, e.g. `testbed run 7 fig13 mine.toml`, and draw their figures."""
    if resume and not figures:
        why = "--resume without a figure goes on with the points that the run has"
        require_not_given(context, _PLANNING, why, "leave it out, or name a new run's figures without --resume")
    if not resume:
        require_not_given(context, ("trust_code",), "a new run has no copies of parts", "name the parts with --part")
    api.load_parts(own)
    seeds, clocks = range(seed, seed + repeat), clocks_of(labs, clock)
    planned = api.plan_with_figures(
        figures,
        profile=profile,
        seeds=seeds,
        overrides=overrides,
        clocks=clocks,
        schemes=schemes,
        scheme_files=scheme_files,
        real_seeds=None if real_repeat is None else range(seed, seed + real_repeat),
    )
    points = planned.points
    if not points and not resume:
        raise UsageError("which experiment?", hint=f"the experiments are: {', '.join(planning.available())}")
    if dry_run:
        _require_possible(points, labs, kernel, shared_boot=shared_boot, check_share=check_share)
        _print_plan(_left_of(out, points, trust_code=trust_code) if resume else points, jobs or len(cores.available()))
        return
    command = ("testbed", *sys.argv[1:])
    with hearing() as listen:
        common = _Common(
            labs=labs,
            kernel=kernel,
            jobs=jobs,
            shared_boot=shared_boot,
            check_share=check_share,
            figures=planned.figures,
            command=command,
            listen=listen,
        )
        if resume:
            found = api.resume(out, points=points, trust_code=trust_code, **common)
        else:
            found = api.run(points, out=out, **common)
    try:
        show(found.text())
        show_files(found.files)
        if found.report:
            show(f"\nreport: {found.report}")
        warn(found.notes)
    finally:  # nobody reads the table: that the points are bad is said all the same
        found.require_valid()


def _require_possible(
    points: Sequence[Point], labs: Sequence[LabSpec], kernel: str | None, *, shared_boot: bool, check_share: float
) -> None:
    """Refuse what a run would: options that the labs cannot have, and a kernel that there is not."""
    if shared_boot:
        require_shared_boot(points, labs)
    require_check_share(check_share, labs)
    with suppress(PrerequisiteError):  # one that is yet to be built
        kernel_of(kernel, labs)


def _left_of(out: Path | None, points: Sequence[Point], *, trust_code: bool) -> list[Point]:
    """The points that the unfinished run has no good result of."""
    found = find_unfinished(out, points, listen=tell_of)
    return [point for point in stored_points(found, trust_code=trust_code) if not found.is_ok(point.id)]


def _print_plan(points: Sequence[Point], width: int) -> None:
    tasks = [task_of(point) for point in points]
    rows = [("point", "clock", "estimate")]
    rows += [(task.id, task.clock, f"{task.estimate_s:.0f} s") for task in tasks]
    show(columns(rows, right=(2,)))
    total = total_s(tasks, width)
    disk = format_size(sum(task.disk_bytes for task in tasks))
    show(f"\n{len(points)} points, about {total / 60:.1f} min with {width} at a time, at most {disk} of disk")
