"""How many wall seconds a virtual second costs: both anycast points and a page load, with one kernel or several."""

from __future__ import annotations

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
from testbed.labs.base import Job, Lab
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.record.point import Point
from testbed.runs import digests

_PAGES = ("workload.sizes=1000 KB", "workload.total=200 MB")


@dataclass(frozen=True)
class Cost:
    """What one run of a point cost: `per_s` is wall seconds per virtual second, boot excepted."""

    virtual_s: float
    wall_s: float
    per_s: float


@dataclass(frozen=True)
class Measured:
    """The costs of a point with one kernel, run by run; `ratios` are to the first kernel's run in the same turn.

    With one kernel alone they are to the median of the first point. `differing` names files that are not the same
    as with the first kernel.
    """

    point: str
    kernel: str
    costs: tuple[Cost, ...]
    ratios: tuple[float, ...]
    differing: tuple[str, ...]


@dataclass(frozen=True)
class Benchmark:
    """What was measured, point by point and in each kernel by kernel; `boot_s` is a guest that does nothing."""

    kernels: tuple[str, ...]
    boot_s: float
    measured: tuple[Measured, ...]


def measure(
    *,
    lab: str | LabSpec = catalog.DEFAULT,
    kernels: Sequence[str] = (),
    repeat: int = 1,
    anycast_s: float = 20.0,
    listen: Listener = ignore,
) -> Benchmark:
    """Measure the three points, `repeat` times with each of the kernels (releases or builds; none: the current one).

    The kernels take turns; `anycast_s` is the virtual time of the anycast points. Raises `UsageError` for a lab
    without a virtual clock or a kernel that is not there, and what a lab raises.
    """
    (spec,) = catalog.parse_all([str(lab)])
    clocks_of([spec], "virtual")
    chosen = [selection.select(name) for name in kernels] or [selection.current()]
    measured: list[Measured] = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(runtime_directory.temporary()))

        def opened(kernel: Kernel) -> Lab:
            options = LabOptions(kernel=kernel, report=lambda text: listen(Notice(text)))
            return stack.enter_context(catalog.open_lab(spec, options))

        labs = [opened(kernel) for kernel in chosen]
        points = _points(anycast_s)
        for each in labs:
            each.require(frozenset().union(*map(needs.of_point, points)))
        boots = [each.run(Job(("true",), scratch / f"boot-{i}")).wall_s for i, each in enumerate(labs)]
        first = 0.0
        for point in points:
            costs: list[list[Cost]] = [[] for _ in labs]
            files: list[dict[str, str]] = [{} for _ in labs]
            for turn in range(repeat):
                for i, each in enumerate(labs):
                    output = scratch / f"{point.id}-{i}-{turn}"
                    costs[i].append(_run(point, each, output, boots[i]))
                    files[i] = files[i] or digests.of_directory(output)
            first = first or median(cost.per_s for cost in costs[0])
            bases = [cost.per_s if len(labs) > 1 else first for cost in costs[0]]
            for i, kernel in enumerate(chosen):
                ratios = tuple(cost.per_s / base for cost, base in zip(costs[i], bases, strict=True))
                differing = _differing(files[0], files[i])
                measured.append(
                    Measured(
                        point=point.id, kernel=kernel.id, costs=tuple(costs[i]), ratios=ratios, differing=differing
                    )
                )
    return Benchmark(tuple(kernel.id for kernel in chosen), median(boots), tuple(measured))


def _points(anycast_s: float) -> list[Point]:
    anycast = plan(["fig13", "fig14"], profile="paper", overrides=(f"workload.duration={anycast_s:g} s",))
    return [*anycast, *plan(["fig07"], profile="paper", overrides=_PAGES)]


def _run(point: Point, lab: Lab, output: Path, boot_s: float) -> Cost:
    output.mkdir()
    result = lab.run(job_of(point, output))
    return Cost(result.clock_s, result.wall_s, (result.wall_s - boot_s) / result.clock_s)


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in sorted({**one, **other}) if one.get(name) != other.get(name))
