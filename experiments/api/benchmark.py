"""What points cost in virtual time: whole anycast points, short ones, page loads and a tiny point, kernel by kernel.

CPU seconds are those of a guest with all its processes on this machine; what others do here changes them little, and
wall seconds much. Everything takes turns, so that what changes meanwhile meets all alike.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from experiments import needs
from experiments.api.events import Listener, Notice, ignore
from experiments.api.places import clocks_of
from experiments.api.planning import job_of, plan
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.labs import catalog, runtime_directory
from testbed.labs.base import HERE, Job, JobResult, Lab
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.record.point import Point
from testbed.runs import digests

_PAGES = ("workload.sizes=1000 KB", "workload.total=200 MB")
_TINY = ("workload.sizes=10 KB", "workload.total=100 KB", "workload.min_requests=10", 'protocols=["mptcp"]')


@dataclass(frozen=True)
class Cost:
    """What one run of a point cost, boot included: seconds of its clock, wall and CPU (None: on another machine)."""

    virtual_s: float
    wall_s: float
    cpu_s: float | None


@dataclass(frozen=True)
class Measured:
    """The costs of a point with one kernel, run by run.

    The ratios of wall and of CPU seconds are to the first kernel's run in the same turn; with one kernel alone there
    are none. `differing` names files that are not the same as with the first kernel.
    """

    point: str
    kernel: str
    costs: tuple[Cost, ...]
    wall_ratios: tuple[float, ...]
    cpu_ratios: tuple[float, ...]
    differing: tuple[str, ...]

    @property
    def virtual_s(self) -> float:
        """Seconds of the point's clock, the same in every run."""
        return self.costs[0].virtual_s

    @property
    def wall_s(self) -> float:
        """The median."""
        return median(cost.wall_s for cost in self.costs)

    @property
    def cpu_s(self) -> float | None:
        """The median."""
        found = [cost.cpu_s for cost in self.costs if cost.cpu_s is not None]
        return median(found) if found else None


@dataclass(frozen=True)
class Benchmark:
    """What was measured, point by point and in each kernel by kernel, `repeat` times; `boots` do nothing else."""

    kernels: tuple[str, ...]
    repeat: int
    boots: tuple[Measured, ...]
    measured: tuple[Measured, ...]


def measure(
    *,
    lab: str | LabSpec = catalog.DEFAULT,
    kernels: Sequence[str] = (),
    repeat: int = 1,
    short_s: float = 10.0,
    whole: bool = True,
    listen: Listener = ignore,
) -> Benchmark:
    """Run the points, `repeat` times with each of the kernels (releases or builds; none: the current one), in turns.

    `short_s` is the virtual time of the short anycast points; the whole ones, of two minutes each, only with `whole`.
    Raises `UsageError` for a lab without a virtual clock or a kernel that is not there, and what a lab raises.
    """
    (spec,) = catalog.parse_all([str(lab)])
    clocks_of([spec], "virtual")
    chosen = [selection.select(name) for name in kernels] or [selection.current()]
    points = _points(short_s, whole=whole)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(runtime_directory.temporary()))

        def opened(kernel: Kernel) -> Lab:
            options = LabOptions(kernel=kernel, report=lambda text: listen(Notice(text)))
            return stack.enter_context(catalog.open_lab(spec, options))

        labs = [opened(kernel) for kernel in chosen]
        for each in labs:
            each.require(frozenset().union(*map(needs.of_point, points.values())))
        jobs = {"boot": None, **points}
        costs: dict[str, list[list[Cost]]] = {name: [[] for _ in labs] for name in jobs}
        files: dict[str, list[dict[str, str]]] = {name: [{} for _ in labs] for name in jobs}
        for turn in range(repeat):
            for name, point in jobs.items():
                for i, each in enumerate(labs):
                    output = scratch / f"{len(costs[name][i])}-{i}-{name.replace(' ', '-')}"
                    output.mkdir()
                    job = Job(("true",), output) if point is None else job_of(point, output)
                    costs[name][i].append(_run(job, each))
                    if point is not None and not turn:
                        files[name][i] = digests.of_directory(output)
    ids = [kernel.id for kernel in chosen]
    found = {name: _compared(name, ids, costs[name], files[name]) for name in jobs}
    return Benchmark(
        tuple(ids), repeat, tuple(found.pop("boot")), tuple(each for kernel in found.values() for each in kernel)
    )


def _points(short_s: float, *, whole: bool) -> dict[str, Point]:
    """What is run, by its name in the table."""
    names = ("fig13", "fig14")
    found: dict[str, Point] = {}
    if whole:
        found |= {f"{each.experiment} whole": each for each in plan(names, profile="paper")}
    short = plan(names, profile="paper", overrides=(f"workload.duration={short_s:g} s",))
    found |= {f"{each.experiment} {short_s:g} s": each for each in short}
    pages = plan(["fig07"], profile="paper", overrides=_PAGES)
    found |= {f"{each.experiment} {each.protocol} 200 x 1000 KB": each for each in pages}
    return found | {f"{each.experiment} {each.protocol} 10 x 10 KB": each for each in plan(["fig07"], overrides=_TINY)}


def _run(job: Job, lab: Lab) -> Cost:
    before = _cpu_s()
    result: JobResult = lab.run(job)
    return Cost(result.clock_s, result.wall_s, _cpu_s() - before if lab.machine == HERE else None)


def _cpu_s() -> float:
    """CPU seconds of all processes that this one has started, and theirs, as far as they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _compared(
    name: str, kernels: Sequence[str], costs: Sequence[Sequence[Cost]], files: Sequence[Mapping[str, str]]
) -> list[Measured]:
    """The costs of a point, by kernel and turn, beside those of the first kernel."""
    several = len(kernels) > 1
    return [
        Measured(
            point=name,
            kernel=kernel,
            costs=tuple(mine),
            wall_ratios=tuple(one.wall_s / base.wall_s for one, base in zip(mine, costs[0], strict=True) if several),
            cpu_ratios=tuple(
                one.cpu_s / base.cpu_s
                for one, base in zip(mine, costs[0], strict=True)
                if several and one.cpu_s is not None and base.cpu_s
            ),
            differing=_differing(files[0], found),
        )
        for kernel, mine, found in zip(kernels, costs, files, strict=True)
    ]


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in sorted({**one, **other}) if one.get(name) != other.get(name))
