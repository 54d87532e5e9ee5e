"""`testbed verify`: run the points of a finished run again and say whether every byte is the same."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from experiments.cli import guest
from experiments.cli.labs import clocks_of, lab_option, open_places
from experiments.cli.output import show, tell
from experiments.cli.run import closing, stored_points, task_of
from experiments.plan import Point
from testbed.base.errors import PointsFailed, UsageError
from testbed.debian_packages import TOOLS, package_versions
from testbed.kernel.cache import default_cache
from testbed.labs.base import Cancel
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.runs import scheduler, store
from testbed.runs.toolkit_identity import toolkit_sha256
from testbed.runs.verification import Candidate, Comparer, Verdict, examine, other_tools


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("points", nargs=-1, metavar="[POINT]...")
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Points at a time. Default: one per core.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep the second run here.")
@lab_option
def verify(run: Path, points: tuple[str, ...], jobs: int | None, keep: Path | None, lab: LabSpec) -> None:
    """Run the points of RUN again on the same kernel and compare every byte: captures, ab's output, counters.

    Without POINT, all that ran in virtual time. Leaves nothing behind unless told to with --keep.
    """
    clocks_of([lab], "virtual")
    before = store.open_run(run)
    chosen = _choose(before, points)
    cache = default_cache()
    examined = [examine(before, point.id, point.clock, lambda name: bool(cache.load(name))) for point in chosen]
    candidates = [entry for entry in examined if isinstance(entry, Candidate)]
    verdicts = [entry for entry in examined if isinstance(entry, Verdict)]
    width = max((len(entry.id) for entry in examined), default=0)
    for verdict in verdicts:
        _print(verdict, width)
    others = _other_tools(before)
    if candidates:
        _warn_of_others(before, others)
        with ExitStack() as stack:
            directory = keep or guest.temporary_output(stack)
            again = store.create(directory, [candidate.id for candidate in candidates], _facts(before, chosen))
            comparer = Comparer(again, candidates, lambda verdict: _print(verdict, width), keep=keep is not None)
            cancel = Cancel()
            stack.enter_context(scheduler.cancel_on_signals(cancel))
            stack.enter_context(closing(again))
            for name in sorted({candidate.digests.kernel for candidate in candidates}):
                kernel = cache.load(name)
                assert kernel is not None  # `examine` saw it
                mine = {candidate.id for candidate in candidates if candidate.digests.kernel == name}
                tasks = [task_of(point) for point in chosen if point.id in mine]
                with open_places([lab], jobs, LabOptions(kernel=kernel)) as places:
                    scheduler.run(tasks, places, again, cancel=cancel, watcher=comparer)
        verdicts += comparer.verdicts
    _conclude(verdicts, run, keep, others)


def _choose(run: store.RunStore, names: Sequence[str]) -> list[Point]:
    stored = {point.id: point for point in stored_points(run)}
    for name in names:
        if name not in stored:
            raise UsageError(f"{run.directory}: no point {name!r}", hint=f"its points: {', '.join(stored)}")
        if stored[name].clock != "virtual":
            raise UsageError(f"{name}: it ran in real time, which never repeats itself", hint="verify virtual points")
    return [stored[name] for name in dict.fromkeys(names)] or list(stored.values())


def _facts(before: store.RunStore, points: Sequence[Point]) -> dict[str, object]:
    kept = {key: before.manifest.get(key) for key in ("toolkit", "kernel", "lab")}
    return {**kept, "verifies": str(before.directory.resolve()), "plan": [p.model_dump(mode="json") for p in points]}


def _warn_of_others(before: store.RunStore, others: Sequence[str]) -> None:
    if before.manifest.get("sources") not in (None, toolkit_sha256()):
        tell("note: the toolkit's own code is not the run's: that may make a difference")
    for each in others:
        tell(f"note: {each}: that may make a difference")


def _other_tools(before: store.RunStore) -> list[str]:
    """What is not the run's, of what its bytes depend on: the tools of the guest, and Python, which is the agent's."""
    host = before.manifest.get("host")
    python = host.get("python") if isinstance(host, dict) else None
    then = before.manifest.get("tools")
    found = other_tools(then, dict.fromkeys(TOOLS, "not installed") | package_versions(TOOLS))
    return found + (other_tools({"Python": python}, {"Python": platform.python_version()}) if python else [])


def _print(verdict: Verdict, width: int) -> None:
    seconds = f", {verdict.wall_s:.1f} s" if verdict.wall_s else ""
    show(f"{verdict.finding:<13} {verdict.id:<{width}}  {verdict.detail}{seconds}")


def _conclude(verdicts: Sequence[Verdict], run: Path, keep: Path | None, others: Sequence[str]) -> None:
    asked = [verdict for verdict in verdicts if verdict.finding != "skipped"]
    differing = [verdict for verdict in asked if verdict.finding == "differs"]
    missing = [verdict for verdict in asked if verdict.finding == "not compared"]
    if differing:
        first = differing[0]
        raise PointsFailed(
            f"{len(differing)} of {len(asked)} points came out differently: {first.id}: {first.detail}"
            + (f" ({'; '.join(others)})" if others else ""),
            hint=f"see: testbed diff {run} {keep}" if keep else "keep the second run with --keep and see testbed diff",
        )
    if missing:
        first = missing[0]
        raise PointsFailed(f"{len(missing)} of {len(asked)} points could not be compared: {first.id}: {first.detail}")
    if not asked:
        raise UsageError(f"{run}: no point of it ran in virtual time", hint="real time never repeats itself")
    show(f"all {len(asked)} points are identical")
