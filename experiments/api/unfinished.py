"""A run that is to go on: which one it is, and in which labs, with which kernel and how it was run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from experiments.api import places
from experiments.api.events import Listener, Notice, ignore
from experiments.api.places import Labs
from testbed.base.errors import UsageError
from testbed.base.text import plain
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.labs import catalog
from testbed.record.manifest import Facts
from testbed.record.point import Point
from testbed.runs import store
from testbed.runs.store import RESULTS, RunStore


def find_unfinished(
    directory: Path | None = None, points: Sequence[Point] = (), *, listen: Listener = ignore
) -> RunStore:
    """The run in `directory`, or the newest unfinished one in `results/`; with `points` one of just these.

    Raises `UsageError` if there is none.
    """
    if directory:
        candidates = [store.open_run(directory)]
    else:
        every = store.runs(RESULTS, lambda why: listen(Notice(why)))
        candidates = [each for each in every if each.is_unfinished()]
    wanted = [point.model_dump(mode="json") for point in points]
    for each in candidates:
        if not points or list(each.manifest.plan) == wanted:
            return each
    for each in candidates:
        if changed := _changed_parts(points, each.manifest.plan):
            what = f"{each.directory}: since this run was started, your own code has been changed: {changed}"
            raise UsageError(what, hint="go on with what it was, or begin a new run")
    if candidates and points:
        raise UsageError(
            f"{directory or RESULTS}: no unfinished run of just these points",
            hint="leave out the figures to continue the run as it was started",
        )
    raise UsageError(f"{RESULTS}: no unfinished run")


def _changed_parts(points: Sequence[Point], plan: Sequence[Facts]) -> str:
    """The names of users' own parts that are all that tells points from those of a run; empty if there is more."""
    if len(plan) != len(points):
        return ""
    names: dict[str, None] = {}
    for point, stored in zip(points, plan, strict=True):
        own = point.model_dump(mode="json")
        parts = stored.get("parts")
        for kind, part in own["parts"].items():
            there = parts.get(kind) if isinstance(parts, dict) else None
            if isinstance(there, dict) and there.get("sha256") != part["sha256"]:
                names[part["name"]] = None
                part["sha256"] = there.get("sha256")
        if own != stored:
            return ""
    return ", ".join(names)


def kernel_of(found: RunStore, labs: Labs) -> Kernel | None:
    """The lab kernel of a run that is continued; None where no lab uses one, or an older toolkit noted none."""
    facts = found.manifest.kernel
    if facts is None or not any(lab.uses_lab_kernel for lab in places.labs_of(labs)):
        return None
    return selection.again(str(facts.get("id")), str(facts.get("source")))


def shares_boots(found: RunStore, points: Sequence[Point]) -> bool:
    """Whether the points in virtual time of a run that is continued were to share boots, and there are such."""
    shared = any(facts.get("shared_boot") is True for facts in found.manifest.labs)
    return shared and any(point.clock == "virtual" for point in points)


def labs_of(found: RunStore) -> Labs:
    """The labs of a run that is continued; manifests of older toolkits know one lab only."""
    names = found.manifest.lab_names
    if not names:
        return ()
    command = f"testbed run --resume --out {shlex.quote(str(found.directory))}"
    try:
        labs = catalog.parse_all(names)
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
