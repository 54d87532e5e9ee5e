"""The same points in two labs, and whether they come to the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from experiments.api.events import AnalysisStarted, Listener, ignore
from experiments.api.places import kernel_of, labs_of, open_places
from experiments.api.planning import task_of
from experiments.api.record import closing, facts_of
from experiments.api.runs import run_points
from testbed.base import files
from testbed.base.errors import PointsFailed, UsageError
from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.labs.catalog import LabOptions
from testbed.record.point import Point
from testbed.runs import scheduler, store
from testbed.runs.store import RESULTS
from testbed.runs.tasks import Place

if TYPE_CHECKING:
    from analysis.compare.agreement import Agreement

_CORE_WAIT_S = 30.0  # few points, and somebody is waiting; virtual time is exact on a shared core too


@dataclass(frozen=True)
class Comparison:
    """Two runs, one per lab, in `directory`, how far they agree, and the files that say so."""

    directory: Path
    agreement: Agreement
    files: tuple[Path, ...]

    def require_agreement(self) -> None:
        """Raise `PointsFailed` with the first quantity in which the labs do not agree."""
        if problems := self.agreement.problems():
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise PointsFailed(f"the labs do not agree: {problems[0]}{more}", hint=f"see {self.files[1]}")


def compare_labs(
    points: Mapping[str, Sequence[Point]],
    *,
    tolerances: Mapping[str, float] = MappingProxyType({}),
    out: Path | None = None,
    kernel: str | None = None,
    jobs: int | None = None,
    command: Sequence[str] = (),
    listen: Listener = ignore,
    cancel: Cancel | None = None,
) -> Comparison:
    """Run the points of two labs, by the labs' names, one lab after the other, and compare what they came to.

    `tolerances` are per quantity, in percent; one that is not given has its usual value. The rest is as for `run`.
    Raises `UsageError` unless there are two labs, `AnalysisError` for a quantity that does not exist,
    `RunInterrupted`, and what a lab raises.
    """
    from analysis.compare import agreement as agreements
    from analysis.compare.agreement_figure import draw_agreement
    from analysis.figures.registry import load_registry
    from analysis.summary.of_run import analyse_run, write_summary

    allowed = agreements.tolerances(tolerances)
    labs, plans = labs_of(list(points)), list(points.values())
    if len(labs) != 2:
        raise UsageError("agree compares two labs", hint="for example: --lab uml --lab local")
    cancel = cancel or Cancel()
    options = LabOptions(core_wait_s=_CORE_WAIT_S, kernel=kernel_of(kernel, labs))
    with open_places(labs, jobs, options, listen) as places:
        for place, due in zip(places, plans, strict=True):
            scheduler.require([task_of(point) for point in due], [place], cancel)
        directory = out or RESULTS / f"{datetime.now():%Y%m%d-%H%M%S}-agree-{plans[0][0].experiment}"
        _make(directory)
        with scheduler.cancel_on_signals(cancel):
            runs = [
                _run(due, place, directory, command=command, listen=listen, cancel=cancel)
                for due, place in zip(plans, places, strict=True)
            ]
        cancel.raise_if_set()  # it may have come when the last point had just ended
    summaries = []
    for run in runs:
        listen(AnalysisStarted(run.directory))
        summaries.append(analyse_run(run.directory, len(cores.available()), load_registry().drawn_of_waits))
        write_summary(run.directory, summaries[-1])
    found = agreements.compare((str(labs[0]), str(labs[1])), summaries[0], summaries[1], allowed)
    written = [*agreements.write_agreement(directory, found), *draw_agreement(directory, found)]
    return Comparison(directory, found, tuple(written))


def _make(directory: Path) -> None:
    if why := files.why_no_directory(directory):
        raise UsageError(f"{directory}: {why}", hint="name a new directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory}: not empty", hint="name a new directory")
    except OSError as error:
        raise UsageError(f"{directory}: cannot be written: {error.strerror}") from error


def _run(
    points: Sequence[Point],
    place: Place,
    directory: Path,
    *,
    command: Sequence[str],
    listen: Listener,
    cancel: Cancel,
) -> store.RunStore:
    """Run the points in one lab, in a run's directory that is named like it."""
    plan = [point.model_dump(mode="json") for point in points]
    name = re.sub(r"[^A-Za-z0-9.@_-]+", "-", place.lab.name)
    facts = facts_of([place], command)
    made = store.create(directory / name, [point.id for point in points], {**facts, "plan": plan})
    with made.lock(), closing(made):
        run_points(points, [place], made, listen=listen, cancel=cancel)
    return made
