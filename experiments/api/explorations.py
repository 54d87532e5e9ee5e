"""Explorations of an experiment: its short connections, on each kernel, in a directory each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.api import exploration, finding_files, moments
from experiments.api.events import Listener, Notice, ignore
from experiments.api.exploration import Exploration, Row, Wanted, base_line, row_of, shrunk
from experiments.api.exploring import Explorer, prepared
from experiments.api.finding_files import FindingFile
from experiments.api.moments import Slid
from experiments.api.places import Labs, kernel_of, labs_of, open_places
from experiments.api.planning import plan
from testbed.base import files
from testbed.base.errors import UsageError
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.labs import runtime_directory
from testbed.labs.base import Cancel
from testbed.labs.catalog import LabOptions
from testbed.record.exploration import Case
from testbed.record.point import Point
from testbed.runs.tasks import Place

DEFAULT_BOUND_S = 20.0
_SHORT_BYTES = 100_000
_BATCHES = "batches"


@dataclass(frozen=True)
class Asked:
    """Which experiment, as `api.plan` takes it, and how its cases are run; `only` points whose id has this in it."""

    experiment: str
    overrides: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    scheme_files: tuple[Path, ...] = ()
    protocols: tuple[str, ...] = ("mptcp",)
    seed: int = 1
    labs: Labs = ()
    kernels: tuple[str, ...] = ()
    jobs: int | None = None
    bound_s: float = DEFAULT_BOUND_S
    only: str = ""


def points_of(asked: Asked) -> list[Point]:
    """The points to explore: of the experiment's those of these protocols, each with the size nearest to 100 KB.

    Raises `UsageError` where none is left, or one cannot be explored.
    """
    found = plan(
        [asked.experiment],
        seeds=[asked.seed],
        overrides=asked.overrides,
        clocks=("virtual",),
        schemes=asked.schemes,
        scheme_files=asked.scheme_files,
    )
    chosen: dict[tuple[str, str, str], Point] = {}
    for point in found:
        if point.protocol in asked.protocols and not point.drop and asked.only in point.id:
            key = (point.variant, point.condition, point.protocol)
            chosen[key] = min(chosen.get(key, point), point, key=_distance)
    if not chosen:
        raise UsageError(
            f"{asked.experiment}: it has no point of {' or '.join(asked.protocols)} that can be explored",
            hint="--protocol, --only; points with [drop] lose packets by themselves",
        )
    return [prepared(point) for point in chosen.values()]


def _distance(point: Point) -> float:
    return abs(math.log(max(point.object_bytes, 1) / _SHORT_BYTES))


def explore(
    asked: Asked, wanted: Wanted, out: Path, *, listen: Listener = ignore, cancel: Cancel | None = None
) -> dict[str, Exploration]:
    """Explore each point on each kernel; what was found by the arm's name, and all of it in `out`, new or empty."""
    from experiments.api import exploration_files  # it draws, which who asks for --help does not wait for

    if wanted.pairs and "lost" not in wanted.whats:
        raise UsageError("--pairs: the first of two losses is none of the faults", hint="add --fault lost")
    points, found = points_of(asked), {}
    _require_kernels(asked)
    _new(out)
    for kernel, explorers in _explorers(asked, points, out, listen, cancel):
        for name, explorer in explorers:
            found[name] = exploration.explore(explorer, wanted, listen)
            exploration_files.write(found[name], _context(asked, explorer.point, kernel), out / name)
            files.write_text(out / name / "point.json", explorer.point.to_json())
    if len(found) > 1:
        exploration_files.write_comparisons(found, out)
    return found


def slide(
    asked: Asked, text: str, out: Path, *, first_tries: int, listen: Listener = ignore, cancel: Cancel | None = None
) -> dict[str, Slid]:
    """Slide an event over each point's connection on each kernel; by the arm's name, and in `out`, new or empty."""
    from experiments.api import moment_files

    points, found = points_of(asked), {}
    event, is_said = moments.change_of(text)
    for point in points:
        moments.require(point, event)
    _require_kernels(asked)
    _new(out)
    for _kernel, explorers in _explorers(asked, points, out, listen, cancel):
        for name, explorer in explorers:
            found[name] = moments.slide(explorer, event, is_said=is_said, first_tries=first_tries, listen=listen)
    moment_files.write(found, out)
    return found


def _context(asked: Asked, point: Point, kernel: Kernel | None) -> FindingFile:
    """What a finding's file says of where it was found."""
    return FindingFile(
        experiment=asked.experiment,
        point=point.id,
        set=asked.overrides,
        scheme=point.scheme,
        seed=point.seed,
        kernel=kernel.id if kernel else "",
        bound_s=asked.bound_s,
    )


def _require_kernels(asked: Asked) -> None:
    """Raise for a kernel that there is not, or twice the same, before one of the others is explored for minutes."""
    if again := [name for place, name in enumerate(asked.kernels) if name in asked.kernels[:place]]:
        raise UsageError(f"--kernel {again[0]}: it is given twice")
    for name in asked.kernels:
        kernel_of(name, asked.labs)


def _explorers(
    asked: Asked, points: Sequence[Point], out: Path, listen: Listener, cancel: Cancel | None
) -> Iterator[tuple[Kernel | None, list[tuple[str, Explorer]]]]:
    """For each kernel an explorer of each point, by a name of its own."""
    for name in asked.kernels or (None,):
        with opened(asked, name) as (kernel, places):
            explorers = []
            for point in points:
                arm = point.id if len(asked.kernels) < 2 else f"{point.id}@{name}"
                batches = out / arm / _BATCHES
                explorers.append(
                    (arm, Explorer(point, places, batches, bound_s=asked.bound_s, listen=listen, cancel=cancel))
                )
            yield kernel, explorers


@contextmanager
def opened(asked: Asked, kernel_name: str | None) -> Iterator[tuple[Kernel | None, Sequence[Place]]]:
    """The kernel, and the labs that run it, open until the block ends."""
    if others := [str(lab) for lab in labs_of(asked.labs) if "virtual" not in lab.clocks]:
        raise UsageError(f"lab {others[0]}: an exploration is in virtual time", hint="--lab uml")
    kernel = kernel_of(kernel_name, asked.labs)
    if kernel is None and all(lab.uses_lab_kernel for lab in labs_of(asked.labs)):
        kernel = selection.current()
    with ExitStack() as stack:
        places = stack.enter_context(open_places(asked.labs, asked.jobs, LabOptions(kernel=kernel)))
        yield kernel, places


def _new(out: Path) -> None:
    if why := files.why_no_directory(out):
        raise UsageError(f"{out}: {why}", hint="name a directory that is new or empty with --out")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: it is there already", hint="name a directory that is new or empty with --out")
    out.mkdir(parents=True, exist_ok=True)


def repeat_finding(
    path: Path, asked: Asked, *, shrink: bool, listen: Listener = ignore
) -> tuple[FindingFile, Row, Case]:
    """Repeat the finding of a file in a boot of its own, on the kernel that it names; with `shrink` make it smaller.

    Returns the finding, the row of the case, and the case. Raises `ConfigError` and `UsageError` for a file that says
    nothing that there is.
    """
    finding = finding_files.read(path)
    asked = replace(
        asked,
        experiment=finding.experiment,
        overrides=finding.set,
        schemes=(finding.scheme,) if finding.scheme else (),
        protocols=("mptcp", "tcp"),
        seed=finding.seed,
        bound_s=finding.bound_s,
        only="",
    )
    point = next((each for each in points_of(asked) if each.id == finding.point), None)
    if point is None:
        raise UsageError(f"{path}: {finding.experiment} has no point {finding.point!r}", hint="testbed run --dry-run")
    name = asked.kernels[0] if asked.kernels else finding.kernel or None
    with runtime_directory.temporary() as scratch, opened(asked, name) as (_, places):
        explorer = Explorer(point, places, Path(scratch) / _BATCHES, bound_s=finding.bound_s, listen=listen)
        base = base_line(explorer, explorer.base())
        case = finding.case()
        row = row_of(explorer.run([case], alone=True)[case.id], base)
        if shrink:
            try:
                case = shrunk(explorer, base, case, row["finding"])
            except ValueError as error:
                raise UsageError(f"{path}: {error}", hint="testbed explore --repeat says what it comes to") from error
            row = row_of(explorer.run([case], alone=True)[case.id], base)
        listen(Notice(f"{point.id}: {json.dumps(row['faults'])}"))
        return finding, row, case
