"""`testbed run`: from names of figures to a run directory with raw data, a summary and figures."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

import testbed
from experiments import needs
from experiments import plan as planning
from experiments.cli import guest
from experiments.cli.inspect import columns
from experiments.cli.labs import clock_option, clocks_of, labs_option, open_places, say
from experiments.cli.output import show
from experiments.cli.progress import watch
from experiments.named_needs import named
from experiments.plan import Point
from testbed.base import files
from testbed.base.errors import ConfigError, PointsFailed, PrerequisiteError, RunInterrupted, UsageError
from testbed.base.text import plain
from testbed.debian_packages import TOOLS, package_versions
from testbed.labs import catalog, cores
from testbed.labs.base import Cancel, Clock, Job
from testbed.labs.catalog import LabSpec
from testbed.runs import scheduler, store
from testbed.runs.scheduler import Place, Task
from testbed.runs.toolkit_identity import toolkit_sha256
from testbed.signals import ENDING, Interrupted, handled

RESULTS = Path("results")


@click.command()
@click.argument("figures", nargs=-1, metavar="FIGURE|FILE...")
@click.option("--profile", default=planning.DEFAULT_PROFILE, show_default=True, help="quick, paper, or the file's own.")
@guest.set_option
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Points at a time in each lab. Default: one per core.")
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Seeds per point.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed.")
@click.option("--dry-run", is_flag=True, help="List the points and an estimate of the time; run nothing.")
@click.option("--resume", is_flag=True, help="Continue the newest unfinished run (the one in --out, if given).")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run's directory, new or empty.")
@labs_option
@clock_option
def run(
    figures: tuple[str, ...],
    profile: str,
    overrides: tuple[str, ...],
    jobs: int | None,
    repeat: int,
    seed: int,
    dry_run: bool,
    resume: bool,
    out: Path | None,
    labs: list[LabSpec],
    clock: Clock | None,
) -> None:
    """Run experiments, e.g. `testbed run 7 fig13 mine.toml`, and draw their figures."""
    clocks = clocks_of(labs or [LabSpec(catalog.DEFAULT)], clock)
    points = plan_points(figures, profile, range(seed, seed + repeat), overrides, clocks)
    if not points and not resume:
        raise UsageError("which experiment?", hint=f"the experiments are: {', '.join(planning.available())}")
    found = _find_unfinished(out, points) if resume else None
    if found:
        points = stored_points(found)
    if dry_run:
        left = [point for point in points if not (found and found.is_ok(point.id))]
        _print_plan(left, jobs or len(cores.available()))
        return
    labs = labs or _labs_of(found)
    with ExitStack() as stack:
        places = stack.enter_context(open_places(labs, jobs))
        scheduler.require([task_of(point) for point in points if not (found and found.is_ok(point.id))], places)
        if found:
            store.require_space(found.directory)
        directory = out or _default_directory(points)
        plan = [point.model_dump(mode="json") for point in points]
        facts = facts_of(places)
        run_store = found or store.create(directory, [point.id for point in points], {**facts, "plan": plan})
        stack.enter_context(run_store.lock())
        with closing(run_store, is_default=out is None):
            if found:
                history = [*found.manifest.get("resumed", []), facts]
                found.update(state="running", finished_at=None, resumed=history)
                _tidy(found)
            table, written = _run_points(points, places, run_store, out)
    try:
        show(table)
        show_files(written)
    finally:  # nobody reads the table: that the points are bad is said all the same
        _raise_for_failures(run_store, len(points))


def _tidy(found: store.RunStore) -> None:
    try:
        found.remove_leftovers()
    except OSError as error:
        raise PrerequisiteError(
            f"{error.filename or found.directory}: cannot be removed: {error.strerror or error}"
        ) from error


def _labs_of(found: store.RunStore | None) -> list[LabSpec]:
    """The labs of the run that is continued; manifests of older toolkits know one lab only.

    A run directory may be anybody's: it never says which other machine this one logs in to. Raises `UsageError` with
    the command that does.
    """
    names = found.manifest.get("lab") if found else None
    if found is None or not isinstance(names, list) or not names:
        return [LabSpec(catalog.DEFAULT)]
    command = f"testbed run --resume --out {shlex.quote(str(found.directory))}"
    try:
        labs = catalog.parse_all([str(name) for name in names])
    except UsageError as error:
        raise UsageError(
            f"{found.directory / store.MANIFEST}: {plain(error.message)}", hint=f"say where: {command} --lab LAB"
        ) from error
    if any(lab.target for lab in labs):
        options = " ".join(f"--lab {shlex.quote(str(lab))}" for lab in labs)
        raise UsageError(
            f"{found.directory}: it was run on another machine: {', '.join(map(str, labs))}",
            hint=f"to go on there: {command} {options}",
        )
    return labs


def _default_directory(points: Sequence[Point]) -> Path:
    names = list(dict.fromkeys(point.experiment for point in points))
    return RESULTS / f"{datetime.now():%Y%m%d-%H%M%S}-{_join(names)}"


def facts_of(places: Sequence[Place]) -> dict[str, object]:
    """What a run's manifest says of where it was made."""
    labs: list[dict[str, object]] = [{"name": place.lab.name, **place.lab.facts()} for place in places]
    return {
        "command": ["testbed", *sys.argv[1:]],
        "toolkit": testbed.__version__,
        "sources": toolkit_sha256(),
        "kernel": next((facts["kernel"] for facts in labs if "kernel" in facts), None),
        "host": {"platform": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "tools": package_versions(TOOLS),
        "lab": [place.lab.name for place in places],
        "labs": labs,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished_at": None,
    }


@contextmanager
def closing(run_store: store.RunStore, *, is_default: bool = False) -> Iterator[None]:
    """However the block ends, the manifest says so: `complete`, or `interrupted`, which --resume goes on with."""
    try:
        yield
    except BaseException:
        # A second Ctrl-C must not leave a manifest that says the run goes on; nor must what cannot be written now
        # hide why the run has ended.
        with handled(ENDING, lambda _number: None), contextlib.suppress(PrerequisiteError):
            _close(run_store, "interrupted", is_default=is_default)
        raise
    _close(run_store, "complete", is_default=is_default)


def _run_points(
    points: Sequence[Point], places: Sequence[Place], run_store: store.RunStore, out: Path | None
) -> tuple[str, list[Path]]:
    """Run what has no result yet, and write summary and figures; returns the table, and the files."""
    cancel = Cancel()
    width = sum(place.width for place in places)
    tasks = [task_of(point) for point in points if not run_store.is_ok(point.id)]
    try:
        with scheduler.cancel_on_signals(cancel), watch(tasks, width) as watcher:
            scheduler.run(tasks, places, run_store, cancel=cancel, watcher=watcher)
        cancel.raise_if_set()  # it may have come when the last point had just ended
        return _analyse(run_store, len(cores.available()))
    except (RunInterrupted, Interrupted) as error:
        finished = sum(map(run_store.is_ok, run_store.manifest["points"]))
        raise RunInterrupted(
            f"{error}; {finished} of {len(points)} points are kept in {run_store.directory}",
            hint="continue with: testbed run --resume" + (f" --out {out}" if out else ""),
        ) from error


def plan_points(
    figures: Sequence[str],
    profile: str,
    seeds: Sequence[int],
    overrides: Sequence[str],
    clocks: Sequence[Clock] = ("virtual", "real"),
) -> list[Point]:
    """The points of all the named experiments, in those of their clocks that are among `clocks`, else in its first.

    Raises `UsageError` if two of them clash, `ConfigError` for a file.
    """
    points: list[Point] = []
    files: dict[str, Path] = {}
    for figure in figures:
        path = planning.find(figure)
        experiment = planning.load(path)
        if experiment.name in files:
            raise UsageError(f"two experiments are named {experiment.name!r}: {files[experiment.name]} and {path}")
        files[experiment.name] = path
        points += planning.plan(experiment, profile, list(seeds), overrides, clocks)
    seen: set[str] = set()
    for point in points:
        if point.id in seen:
            raise UsageError(f"two points have the id {point.id!r}", hint="give the experiments other names")
        seen.add(point.id)
    return points


def _find_unfinished(out: Path | None, points: Sequence[Point]) -> store.RunStore:
    candidates = [store.open_run(out)] if out else [run for run in store.runs(RESULTS, say) if run.is_unfinished()]
    wanted = [point.model_dump(mode="json") for point in points]
    for run_store in candidates:
        if not points or run_store.manifest.get("plan") == wanted:
            return run_store
    if candidates and points:
        raise UsageError(
            f"{out or RESULTS}: no unfinished run of just these points",
            hint="leave out the figures to continue the run as it was started",
        )
    raise UsageError(f"{RESULTS}: no unfinished run")


def stored_points(run_store: store.RunStore) -> list[Point]:
    """The points of a run as its manifest has them; raises `ConfigError`."""
    path = run_store.directory / store.MANIFEST
    points = [Point.from_json(json.dumps(entry), path) for entry in run_store.manifest.get("plan", [])]
    for point in points:
        try:
            task_of(point)
        # What the manifest of a stranger's run can have wrong is without end; what it is used for is here.
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            what = (
                f"{point.id}: these are no parameters of scenario {point.scenario!r}: {type(error).__name__}: {error}"
            )
            raise ConfigError(path, None, what) from error
    return points


def task_of(point: Point) -> Task:
    """The scheduler's task that runs a point."""
    return Task(point.id, partial(job_of, point), point.clock, planning.estimate(point), named(needs.features(point)))


def job_of(point: Point, output: Path) -> Job:
    """The job that runs a point and leaves its raw directory in `output`."""
    files.write_text(output / "point.json", point.to_json())
    return Job(
        argv=(sys.executable, "-m", "experiments.agent"),
        output=output,
        cwd=Path("/"),
        clock=point.clock,
        wall_limit_s=planning.wall_limit_s(point),
        clock_limit_s=planning.virtual_limit_s(point),
        seed=point.seed,
    )


def _print_plan(points: Sequence[Point], width: int) -> None:
    tasks = [task_of(point) for point in points]
    rows = [("point", "clock", "estimate")]
    rows += [(task.id, task.clock, f"{task.estimate_s:.0f} s") for task in tasks]
    show(columns(rows, right=(2,)))
    total = scheduler.total_s(tasks, width)
    show(f"\n{len(points)} points, about {total / 60:.1f} min with {width} at a time")


def _join(names: Sequence[str]) -> str:
    return "-".join(names) if len(names) <= 3 else f"{names[0]}-to-{names[-1]}"


def _close(run_store: store.RunStore, state: str, *, is_default: bool) -> None:
    run_store.update(state=state, finished_at=datetime.now(UTC).isoformat(timespec="seconds"))
    if is_default:
        run_store.link_latest()


def _analyse(run_store: store.RunStore, width: int) -> tuple[str, list[Path]]:
    # matplotlib takes a second to import, which no other command should pay.
    from analysis.figures import draw_run
    from analysis.figures.paper import draw_figures
    from analysis.summary.of_run import analyse_run_fully, render_table, stack, write_summary
    from analysis.tables import write_tables

    analysed = analyse_run_fully(run_store.directory, width)
    summaries = [each.summary for each in analysed]
    tables = stack(analysed)
    write_tables(run_store.directory, tables)
    written = [*write_summary(run_store.directory, summaries), *draw_figures(run_store.directory, summaries)]
    written += draw_run(tables, run_store.directory / "figures")
    return render_table(summaries), written


def show_files(paths: Sequence[Path]) -> None:
    """Name the files that were written; a figure by its PNG alone."""
    for path in paths:
        if path.suffix not in (".pdf", ".svg"):
            show(path)
    if any(path.suffix == ".svg" for path in paths):
        show("(each figure as PDF and SVG, too)")


def _raise_for_failures(run_store: store.RunStore, count: int) -> None:
    from analysis.summary.of_run import read_summary

    bad = {each.id: each.invalid_reasons for each in read_summary(run_store.directory) if not each.valid}
    for point_id in run_store.manifest["points"]:
        if not run_store.is_ok(point_id):
            bad.setdefault(point_id, ("it has no result",))
    if bad:
        first, reasons = next(iter(bad.items()))
        reason = reasons[0] if reasons else "no reason given"
        raise PointsFailed(
            f"{len(bad)} of {count} points failed or are invalid: {first}: {reason}",
            hint=f"see {run_store.directory / 'points' / first}",
        )
