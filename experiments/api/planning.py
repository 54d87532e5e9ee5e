"""From names of experiments to points, and from a point to the task that runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments import needs
from experiments import plan as planning
from experiments.api import own_parts
from experiments.composition import parts_of, write_code
from experiments.plan import Planned
from experiments.schemes import ALL, of_file
from testbed.base import files
from testbed.base.errors import ConfigError, UsageError
from testbed.labs.base import Clock, Job
from testbed.record.point import Point
from testbed.runs import store
from testbed.runs.tasks import Task

_AGENT = (sys.executable, "-m", "experiments.start")
_DAY_S = 86400.0


def plan(
    experiments: Sequence[str],
    *,
    profile: str = planning.DEFAULT_PROFILE,
    seeds: Sequence[int] = (1,),
    overrides: Sequence[str] = (),
    clocks: Sequence[Clock] = ("virtual", "real"),
    schemes: Sequence[str] = (),
    scheme_files: Sequence[Path] = (),
    real_seeds: Sequence[int] | None = None,
) -> list[Point]:
    """The points of experiments, given as `7`, `fig07` or the path of a TOML file; runs nothing.

    `overrides` are settings as `--set` takes them (`"workload.total=1 MB"`), for each of the experiments. A point has
    those clocks of its experiment's file that are among `clocks`, or else the first of `clocks`. MPTCP is measured with
    the `schemes` of these names (`"all"`: those that an experiment offers), by default the first that it offers;
    `scheme_files` have further schemes. Points in real time have `real_seeds`, by default the others' seeds.

    Raises `UsageError` for a name or a setting that does not exist, and for experiments or points that clash;
    `ConfigError` for a file, with its line.
    """
    return plan_with_figures(
        experiments,
        profile=profile,
        seeds=seeds,
        overrides=overrides,
        clocks=clocks,
        schemes=schemes,
        scheme_files=scheme_files,
        real_seeds=real_seeds,
    ).points


def plan_with_figures(
    experiments: Sequence[str],
    *,
    profile: str = planning.DEFAULT_PROFILE,
    seeds: Sequence[int] = (1,),
    overrides: Sequence[str] = (),
    clocks: Sequence[Clock] = ("virtual", "real"),
    schemes: Sequence[str] = (),
    scheme_files: Sequence[Path] = (),
    real_seeds: Sequence[int] | None = None,
) -> Planned:
    """As `plan`, with the files of users' own figures that the experiments name as their `plot`, each once."""
    if isinstance(experiments, str):
        raise UsageError(f"{experiments!r}: give a list of experiments", hint=f"[{experiments!r}]")
    points: list[Point] = []
    figures: dict[Path, None] = {}
    paths: dict[str, Path] = {}
    for name in experiments:
        path = planning.find(name)
        experiment = planning.load(path, scheme_files)
        if experiment.name in paths:
            raise UsageError(f"two experiments are named {experiment.name!r}: {paths[experiment.name]} and {path}")
        paths[experiment.name] = path
        planned = planning.plan_with_figures(
            experiment,
            profile,
            seeds,
            overrides=overrides,
            clocks=clocks,
            schemes=schemes,
            real_seeds=real_seeds,
        )
        points += planned.points
        figures |= dict.fromkeys(planned.figures)
    seen: set[str] = set()
    for point in points:
        if point.id in seen:
            raise UsageError(f"two points have the id {point.id!r}", hint="give the experiments other names")
        seen.add(point.id)
    if points and real_seeds is not None and all(point.clock != "real" for point in points):
        raise UsageError("seeds of points in real time: none of these is in real time", hint="leave out --real-repeat")
    _check_schemes(points, schemes, scheme_files)
    return Planned(points, list(figures))


def _check_schemes(points: Sequence[Point], schemes: Sequence[str], scheme_files: Sequence[Path]) -> None:
    """Raise UsageError for schemes that are asked for, or a file of them, of which no point has any use."""
    asked = [name for name in schemes if name != ALL]
    if points and asked and all(point.protocol != "mptcp" for point in points):
        raise UsageError(f"scheme {asked[0]!r}: there is no point of MPTCP among these")
    for path in scheme_files:
        names = list(of_file(path))
        if not set(names) & set(schemes):
            raise UsageError(f"{path}: none of its schemes is asked for", hint=f"name one: {', '.join(names)}")


def stored_points(run: store.RunStore, *, trust_code: bool = False) -> list[Point]:
    """The points of a run as its manifest has them; with `trust_code` its copies of users' own parts are loaded.

    Raises `ConfigError`, and `UsageError` for a user's own part that nobody has named.
    """
    path = run.directory / store.MANIFEST
    points = [Point.from_json(json.dumps(entry), path) for entry in run.manifest.plan]
    if trust_code:
        own_parts.trust(run, points)
    for point in points:
        try:
            task_of(point)
        # What the manifest of a stranger's run can have wrong is without end; what it is used for is here.
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            what = f"{point.id}: its parts can make nothing of their settings: {type(error).__name__}: {error}"
            raise ConfigError(path, None, what) from error
    return points


def task_of(point: Point) -> Task:
    """The scheduler's task that runs a point."""
    with parts_of(point).explained():
        return Task(
            point.id,
            partial(job_of, point),
            clock=point.clock,
            estimate_s=planning.estimate(point),
            disk_bytes=planning.disk_bytes(point),
            needs=needs.of_point(point),
        )


def job_of(point: Point, output: Path) -> Job:
    """The job that runs a point and leaves its raw directory in `output`."""
    _write(point, output)
    return Job(
        argv=_AGENT,
        output=output,
        cwd=Path("/"),
        clock=point.clock,
        wall_limit_s=planning.wall_limit_s(point),
        clock_limit_s=planning.virtual_limit_s(point),
        seed=point.seed,
        stands_still=point.clock == "virtual",
    )


def shell_job_of(point: Point, output: Path, commands: Path | None = None) -> Job:
    """The job that gives Mininet's command line on a point's topology, for a day at most.

    Without `commands` it needs a terminal, and a point in real time; with them it runs the lines of this file.
    """
    _write(point, output)
    return Job(
        (*_AGENT, "--commands" if commands else "--shell"),
        output,
        clock=point.clock,
        wall_limit_s=_DAY_S,
        clock_limit_s=_DAY_S,
        stdin=commands,
        seed=point.seed,
    )


def _write(point: Point, output: Path) -> None:
    """What the agent is given: the point, and the code of those of its parts that are users' own."""
    files.write_text(output / "point.json", point.to_json())
    write_code(parts_of(point), output)
