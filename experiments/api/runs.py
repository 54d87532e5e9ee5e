"""A run from its points to its figures, and the continuation of one that was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.api import own_parts, unfinished
from experiments.api.analysing import Analysis, RunAnalysis, require_main_program
from experiments.api.events import AnalysisStarted, Event, Listener, PointFinished, PointsDue, Telling, ignore
from experiments.api.places import Labs, kernel_of, open_places, require_check_share, require_shared_boot
from experiments.api.planning import stored_points, task_of
from experiments.api.record import closing, facts_of
from experiments.api.reporting import write_report
from experiments.api.unkept_captures import remove_unkept
from testbed.base.errors import DiskFull, PrerequisiteError, RunInterrupted, TestbedError, UsageError
from testbed.labs.base import Cancel
from testbed.labs.catalog import LabOptions
from testbed.record.point import Point
from testbed.runs import scheduler, store
from testbed.runs.scheduler import Hold
from testbed.runs.store import RESULTS, RunStore
from testbed.runs.tasks import Place
from testbed.signals import Interrupted

if TYPE_CHECKING:
    from analysis.figures.drawing import Kept


def run(
    points: Sequence[Point],
    *,
    out: Path | None = None,
    labs: Labs = (),
    kernel: str | None = None,
    jobs: int | None = None,
    shared_boot: bool = False,
    check_share: float = 0.0,
    figures: Sequence[Path] = (),
    command: Sequence[str] = (),
    listen: Listener = ignore,
    cancel: Cancel | None = None,
) -> Analysis:
    """Run points, analyse them, write the report, and return what they came to.

    `out` is the run's directory, new or empty (None: one in `results/`, to which `latest` then leads); `labs` are
    names such as `uml` or `ssh:HOST`, which share the points, `jobs` at a time in each (None: as many as suits the
    lab; with more than 1, one in real time may be beside those in virtual time); `kernel` is the lab kernel, a
    release such as `7.3` or a build's identity (None: the current one of the default release); with `shared_boot`
    each point in virtual time is a copy of a guest that was booted once, which for many small points is the same for
    less (the `uml` lab); `check_share` is the share of the points that two workers are to do, so that their bytes
    can be compared (the `dask` lab); `figures` are Python files with figures of the caller's own; `command` is noted
    in the manifest.
    `listen` hears of each event as it comes (`experiments.api.events`). Setting `cancel` ends the run in order from
    another thread; in the main thread SIGINT, SIGTERM and SIGHUP do.

    A point that fails stops no other: see `Analysis.invalid` and `Analysis.require_valid`. Raises `RunInterrupted`
    when the run was ended, with its finished points kept for `resume`; `UsageError`, `PrerequisiteError` and
    `LabError` for what keeps it from beginning. A program that calls this does so below `if __name__ == "__main__":`.
    """
    if not points:
        raise UsageError("no point to run", hint="plan some: experiments.api.plan")
    require_main_program()
    tasks = [task_of(point) for point in points]
    if shared_boot:
        require_shared_boot(points, labs)
    require_check_share(check_share, labs)
    options = LabOptions(kernel=kernel_of(kernel, labs), shared_boot=shared_boot, check_share=check_share)
    with open_places(labs, jobs, options, listen) as places:
        scheduler.require(tasks, places, cancel)
        plan = [point.model_dump(mode="json") for point in points]
        facts = facts_of(places, command)
        made = store.create(
            out or _default_directory(points),
            [each.id for each in points],
            {**facts, "plan": plan},
            sum(task.disk_bytes for task in tasks),
        )
        with made.lock(), closing(made, is_default=out is None):
            own_parts.keep(points, made)
            found = _run_and_analyse(points, places, made, out=out, figures=figures, listen=listen, cancel=cancel)
    return _with_report(*found, figures)


def resume(
    directory: Path | None = None,
    *,
    points: Sequence[Point] = (),
    labs: Labs = (),
    kernel: str | None = None,
    jobs: int | None = None,
    shared_boot: bool = False,
    check_share: float = 0.0,
    figures: Sequence[Path] = (),
    trust_code: bool = False,
    command: Sequence[str] = (),
    listen: Listener = ignore,
    cancel: Cancel | None = None,
) -> Analysis:
    """Run what a run has no good result of, and analyse all of it; otherwise as `run`.

    The run is the one in `directory`, or the newest unfinished one in `results/`; with `points` it must be one of
    just these. None of `labs` means those that it had, no `kernel` the one that it had, or its release's current
    one. A run directory may be anybody's, so it never says which other machine this one logs in to: raises
    `UsageError` for one that was run elsewhere, unless `labs` says where. A run whose points shared boots goes on so in
    its own labs. Nor is its copy of a part that was
    somebody's own code ever run, unless `trust_code` says so: the code is the one that was loaded with `points`, or
    by `load_parts`.
    """
    require_main_program()
    found = unfinished.find_unfinished(directory, points, listen=listen)
    points = stored_points(found, trust_code=trust_code)
    shared_boot = shared_boot or (not labs and unfinished.shares_boots(found, points))
    labs = labs or unfinished.labs_of(found)
    if shared_boot:
        require_shared_boot(points, labs)
    require_check_share(check_share, labs)
    own = kernel_of(kernel, labs) or unfinished.kernel_of(found, labs)
    options = LabOptions(kernel=own, shared_boot=shared_boot, check_share=check_share)
    with open_places(labs, jobs, options, listen) as places:
        left = [task_of(point) for point in points if not found.is_ok(point.id)]
        scheduler.require(left, places, cancel)
        store.require_space(found.directory, sum(task.disk_bytes for task in left))
        facts = facts_of(places, command)
        with found.lock(), closing(found, is_default=directory is None):
            history = [*found.manifest.resumed, facts]
            found.update(state="running", finished_at=None, resumed=history)
            _tidy(found)
            analysed = _run_and_analyse(
                points, places, found, out=directory, figures=figures, listen=listen, cancel=cancel
            )
    return _with_report(*analysed, figures)


def run_points(
    points: Sequence[Point],
    places: Sequence[Place],
    made: RunStore,
    *,
    listen: Listener,
    cancel: Cancel,
    others: Hold = nullcontext,
) -> None:
    """Run what has no good result yet, in labs that are open; raises `RunInterrupted` once the flag is set.

    `others` holds what else is under way here, while a point in real time is measured.
    """
    tasks = [task_of(point) for point in points if not made.is_ok(point.id)]
    listen(PointsDue(tuple(tasks), sum(place.width for place in places)))
    scheduler.run(tasks, places, made, cancel=cancel, watcher=Telling(listen), others=others)


def _run_and_analyse(
    points: Sequence[Point],
    places: Sequence[Place],
    made: RunStore,
    *,
    out: Path | None,
    figures: Sequence[Path],
    listen: Listener,
    cancel: Cancel | None,
) -> tuple[Analysis, Sequence[Kept]]:
    """The analysis, and what it has drawn for the report."""
    cancel = cancel or Cancel()
    try:
        with RunAnalysis(made, figures=figures, for_report=True) as analysis:

            def hear(event: Event) -> None:
                listen(event)
                if isinstance(event, PointFinished) and event.end.ok:
                    analysis.begin(event.task.id)

            for point_id in filter(made.is_ok, made.manifest.points):
                analysis.begin(point_id)
            with scheduler.cancel_on_signals(cancel):
                run_points(points, places, made, listen=hear, cancel=cancel, others=analysis.holding)
            cancel.raise_if_set()  # it may have come when the last point had just ended
            listen(AnalysisStarted(made.directory))
            return analysis.of_all(wanted=made.manifest.points), analysis.drawn
    except (RunInterrupted, Interrupted) as error:
        finished = sum(map(made.is_ok, made.manifest.points))
        is_full = isinstance(error, DiskFull)
        raise (DiskFull if is_full else RunInterrupted)(
            f"{error}; {finished} of {len(points)} points are kept in {made.directory}",
            hint=f"{'make room, and ' if is_full else ''}continue with: testbed run --resume"
            + (f" --out {out}" if out else ""),
        ) from error


def _with_report(analysis: Analysis, drawn: Sequence[Kept], figures: Sequence[Path]) -> Analysis:
    """The analysis with the report of the run, once the run is closed; that there is none costs nothing else."""
    if not analysis.summaries:
        return analysis
    try:
        written = write_report([analysis.directory], figures=figures, drawn=drawn)
    except TestbedError as error:
        return replace(analysis, notes=(*analysis.notes, f"no report: {error}"))
    found = replace(analysis, report=written.path)
    try:
        remove_unkept(analysis)  # the report had a use for them
    except (OSError, TestbedError) as error:
        return replace(found, notes=(*found.notes, f"captures that were to go are still there: {error}"))
    return found


def _default_directory(points: Sequence[Point]) -> Path:
    names = list(dict.fromkeys(point.experiment for point in points))
    joined = "-".join(names) if len(names) <= 3 else f"{names[0]}-to-{names[-1]}"
    return RESULTS / f"{datetime.now():%Y%m%d-%H%M%S}-{joined}"


def _tidy(found: RunStore) -> None:
    try:
        found.remove_leftovers()
    except OSError as error:
        raise PrerequisiteError(
            f"{error.filename or found.directory}: cannot be removed: {error.strerror or error}"
        ) from error
