"""Whether a run repeats itself: its points run again on the same kernels, and every byte compared."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from experiments.api.events import Listener, Notice, PointCompared, PointsToCompare, ignore
from experiments.api.places import clocks_of, kernel_of, open_places
from experiments.api.planning import stored_points, task_of
from experiments.api.record import closing
from testbed.base.errors import PointsFailed, UsageError
from testbed.debian_packages import TOOLS, package_versions
from testbed.kernel.cache import default_cache
from testbed.labs import catalog, runtime_directory
from testbed.labs.base import Cancel
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.record.point import Point
from testbed.runs import scheduler, store
from testbed.runs.store import RunStore
from testbed.runs.toolkit_identity import toolkit_sha256
from testbed.runs.verification import Candidate, Comparer, Verdict, examine, other_tools


@dataclass(frozen=True)
class Verification:
    """A verdict per point of `run`; `kept` is where the second run lies, if it was kept.

    `others` are tools that are not what they were when the run was made, in words.
    """

    run: Path
    verdicts: tuple[Verdict, ...]
    others: tuple[str, ...]
    kept: Path | None

    @property
    def asked(self) -> list[Verdict]:
        """The verdicts on points that can be expected to repeat themselves."""
        return [verdict for verdict in self.verdicts if verdict.finding != "skipped"]

    def require_identical(self) -> None:
        """Raise `PointsFailed` unless all points came out the same; `UsageError` if none could."""
        differing = [verdict for verdict in self.asked if verdict.finding == "differs"]
        missing = [verdict for verdict in self.asked if verdict.finding == "not compared"]
        if differing:
            first = differing[0]
            seen = f"see: testbed diff {self.run} {self.kept}"
            raise PointsFailed(
                f"{len(differing)} of {len(self.asked)} points came out differently: {first.id}: {first.detail}"
                + (f" ({'; '.join(self.others)})" if self.others else ""),
                hint=seen if self.kept else "keep the second run with --keep and see testbed diff",
            )
        if missing:
            first = missing[0]
            raise PointsFailed(
                f"{len(missing)} of {len(self.asked)} points could not be compared: {first.id}: {first.detail}"
            )
        if not self.asked:
            raise UsageError(f"{self.run}: no point of it ran in virtual time", hint="real time never repeats itself")


def verify(
    directory: Path,
    points: Sequence[str] = (),
    *,
    lab: str | LabSpec = catalog.DEFAULT,
    kernel: str | None = None,
    jobs: int | None = None,
    keep: Path | None = None,
    trust_code: bool = False,
    listen: Listener = ignore,
    cancel: Cancel | None = None,
) -> Verification:
    """Run points of a finished run again, on the kernel that each ran on, and compare captures, output and counters.

    `points` are ids (none: all of the run); `kernel` is one to take in the place of theirs, as for `run`; `keep` is
    a new or empty directory for the second run, which is gone otherwise; a part that was somebody's own code is the
    one that `load_parts` has loaded, or with `trust_code` the run's own copy; `jobs`, `listen` and `cancel` as for
    `run`. Raises `UsageError` for what cannot be verified, `RunInterrupted`, and what a lab raises.
    """
    clocks_of([lab], "virtual")
    before = store.open_run(directory)
    chosen = _choose(before, points, trust_code=trust_code)
    cache, instead = default_cache(), kernel_of(kernel, [lab])
    there = lambda name: bool(instead or cache.load(name))  # noqa: E731
    examined = [examine(before, point.id, point.clock, there) for point in chosen]
    candidates = [entry for entry in examined if isinstance(entry, Candidate)]
    verdicts = [entry for entry in examined if isinstance(entry, Verdict)]
    listen(PointsToCompare(tuple(entry.id for entry in examined)))
    for verdict in verdicts:
        listen(PointCompared(verdict))
    others = _other_tools(before)
    if candidates:
        _tell_of_others(before, others, listen)
        _tell_of_shared_boots(before, candidates, listen)
        with ExitStack() as stack:
            again = store.create(
                keep or Path(stack.enter_context(runtime_directory.temporary())),
                [candidate.id for candidate in candidates],
                _facts(before, chosen),
            )
            told = Comparer(again, candidates, lambda verdict: listen(PointCompared(verdict)), keep=keep is not None)
            cancel = cancel or Cancel()
            stack.enter_context(scheduler.cancel_on_signals(cancel))
            stack.enter_context(closing(again))
            for name in sorted({candidate.digests.kernel for candidate in candidates}):
                mine = {candidate.id for candidate in candidates if candidate.digests.kernel == name}
                tasks = [task_of(point) for point in chosen if point.id in mine]
                with open_places([lab], jobs, LabOptions(kernel=instead or cache.load(name)), listen) as places:
                    scheduler.require(tasks, places, cancel)
                    scheduler.run(tasks, places, again, cancel=cancel, watcher=told)
        verdicts += told.verdicts
    return Verification(directory, tuple(verdicts), tuple(others), keep)


def _choose(run: RunStore, names: Sequence[str], *, trust_code: bool) -> list[Point]:
    stored = {point.id: point for point in stored_points(run, trust_code=trust_code)}
    for name in names:
        if name not in stored:
            raise UsageError(f"{run.directory}: no point {name!r}", hint=f"its points: {', '.join(stored)}")
        if stored[name].clock != "virtual":
            raise UsageError(f"{name}: it ran in real time, which never repeats itself", hint="verify virtual points")
    return [stored[name] for name in dict.fromkeys(names)] or list(stored.values())


def _facts(before: RunStore, points: Sequence[Point]) -> dict[str, object]:
    kept = {key: getattr(before.manifest, key) for key in ("toolkit", "kernel", "lab")}
    return {**kept, "verifies": str(before.directory.resolve()), "plan": [p.model_dump(mode="json") for p in points]}


def _tell_of_others(before: RunStore, others: Sequence[str], listen: Listener) -> None:
    if before.manifest.sources not in (None, toolkit_sha256()):
        listen(Notice("note: the toolkit's own code is not the run's: that may make a difference"))
    for each in others:
        listen(Notice(f"note: {each}: that may make a difference"))


def _tell_of_shared_boots(before: RunStore, candidates: Sequence[Candidate], listen: Listener) -> None:
    outcomes = [before.outcome(candidate.id) for candidate in candidates]
    if shared := sum(outcome is not None and outcome.shared_boot > 0 for outcome in outcomes):
        what = f"{shared} points were copies of a guest (--shared-boot): each is compared with a boot of its own"
        listen(Notice(f"note: {what}"))


def _other_tools(before: RunStore) -> list[str]:
    """What is not the run's, of what its bytes depend on: the tools of the guest, and Python, which is the agent's."""
    python = (before.manifest.host or {}).get("python")
    found = other_tools(before.manifest.tools or {}, dict.fromkeys(TOOLS, "not installed") | package_versions(TOOLS))
    return found + (other_tools({"Python": python}, {"Python": platform.python_version()}) if python else [])
