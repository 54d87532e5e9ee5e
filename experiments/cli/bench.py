"""`testbed bench`: how many wall seconds a virtual second costs, for both anycast points and one page load."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from experiments import api
from experiments.api.places import clocks_of
from experiments.api.planning import job_of
from experiments.cli.options import lab_option
from experiments.cli.output import columns, show
from experiments.point import Point
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.kernel.release import RELEASES
from testbed.labs import catalog, runtime_directory
from testbed.labs.base import Job, Lab
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.runs import digests

_PAGES = ("workload.sizes=1000 KB", "workload.total=200 MB")


@dataclass(frozen=True)
class Cost:
    """What one run of a point cost: `per_s` is wall seconds per virtual second, boot excepted."""

    virtual_s: float
    wall_s: float
    per_s: float


def _points(anycast_s: float) -> list[Point]:
    anycast = api.plan(["fig13", "fig14"], profile="paper", overrides=(f"workload.duration={anycast_s:g} s",))
    return [*anycast, *api.plan(["fig07"], profile="paper", overrides=_PAGES)]


@click.command()
@lab_option
@click.option(
    "--kernel",
    "names",
    multiple=True,
    metavar=f"{'|'.join(RELEASES)}|ID",
    help="Compare these kernels: releases, or builds of `testbed kernel status`.",
)
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Runs of each, in turn.")
@click.option(
    "--seconds", type=click.FloatRange(5, 100_000), default=20.0, show_default=True, help="Anycast's virtual time."
)
def bench(lab: LabSpec, names: tuple[str, ...], repeat: int, seconds: float) -> None:
    """Measure wall seconds per virtual second of three points; prints medians and their ratios.

    The cost of booting a guest is measured by itself and taken off. With several kernels they take turns, and each
    ratio is to the first: by its runs in the same turn. A kernel that changes a result is named.
    """
    clocks_of([lab], "virtual")
    kernels = [selection.select(name) for name in names] or [selection.current()]
    rows = [("point", "kernel", "virtual s", "wall s", "wall per virtual s", "ratio", "min", "max")]
    notes: list[str] = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(runtime_directory.temporary()))
        labs = [stack.enter_context(catalog.open_lab(lab, LabOptions(kernel=kernel))) for kernel in kernels]
        boots = [each.run(Job(("true",), scratch / f"boot-{i}")).wall_s for i, each in enumerate(labs)]
        first = 0.0
        for point in _points(seconds):
            costs: defaultdict[int, list[Cost]] = defaultdict(list)
            bytes_of: dict[int, dict[str, str]] = {}
            for turn in range(repeat):
                for i, each in enumerate(labs):
                    output = scratch / f"{point.id}-{i}-{turn}"
                    costs[i].append(_run(point, each, output, boots[i]))
                    bytes_of.setdefault(i, digests.of_directory(output))
            first = first or median(cost.per_s for cost in costs[0])
            for i, kernel in enumerate(kernels):
                rows.append(_row(point, kernel, costs[i], costs[0] if len(kernels) > 1 else None, first))
                if differing := _differing(bytes_of[0], bytes_of[i]):
                    notes.append(f"{point.id}: kernel {kernel.id} gives another result: {', '.join(differing)}")
    show(columns(rows, right=range(2, 8)))
    show(f"\na guest that does nothing: {median(boots):.2f} s of wall time")
    if len(kernels) > 1:
        show("\n".join(notes or ["every file of every point is the same, byte by byte, with each kernel"]))


def _run(point: Point, lab: Lab, output: Path, boot_s: float) -> Cost:
    output.mkdir()
    result = lab.run(job_of(point, output))
    return Cost(result.clock_s, result.wall_s, (result.wall_s - boot_s) / result.clock_s)


def _row(
    point: Point, kernel: Kernel, costs: list[Cost], base: list[Cost] | None, first: float
) -> tuple[str, str, str, str, str, str, str, str]:
    """A line of the table; ratios to `base` run by run, or without one to the first point's `first`."""
    ratios = [cost.per_s / (base[turn].per_s if base else first) for turn, cost in enumerate(costs)]
    return (
        point.id,
        kernel.id,
        f"{costs[0].virtual_s:.1f}",
        f"{median(cost.wall_s for cost in costs):.1f}",
        f"{median(cost.per_s for cost in costs):.2f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}",
        f"{max(ratios):.2f}",
    )


def _differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [name for name in sorted(one | other) if one.get(name) != other.get(name)]
