"""200 tiny points in two orders of a shared boot, and in boots of their own: the same bytes? And what does one cost?

    python tests/benchmarks/shared_boots.py [KERNEL_IMAGE]

Pages of 10 KB (Figs. 7, 10 and 11) and downloads among servers that change (Figs. 13 and 14), TCP and MPTCP, 25 seeds,
one guest at a time. The unit is CPU seconds of the guests and all their host processes; the cost of a boot is that of
the first point of an order less that of the last ones. An hour on a machine that others use.
"""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments import api
from experiments.api.planning import job_of
from testbed.kernel import selection
from testbed.labs.uml import UmlLab
from testbed.record.point import Point
from testbed.runs import digests

PAGES = ("workload.sizes=10 KB", "workload.total=100 KB", "workload.min_requests=10")
DOWNLOADS = (
    "workload.concurrency=3", "workload.size=200 KB", "workload.duration=2 s", "timetable.cycle=1.5 s",
    "timetable.up=1 s", "topology.server_rate=100 Mbit/s", "topology.client_rate=1 Gbit/s",
)  # fmt: skip
COUNT, SEEDS = 200, range(1, 26)

Digests = dict[str, dict[str, str]]


def points() -> list[Point]:
    """The points, in an order that is none."""
    found = api.plan(["fig07", "fig10", "fig11"], overrides=PAGES, seeds=SEEDS)
    found += api.plan(["fig13", "fig14"], overrides=DOWNLOADS, seeds=SEEDS)
    random.Random(1).shuffle(found)
    return found[:COUNT]


def cpu_s() -> float:
    """CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(points: Sequence[Point], image: Path, scratch: Path, *, shared: bool) -> tuple[Digests, float]:
    """The digests of each point, by its id, and the CPU seconds of all of them."""
    found, before = {}, cpu_s()
    with contextlib.closing(UmlLab(image, shared_boot=shared)) as lab:
        for point in points:
            output = scratch / point.id
            output.mkdir()
            result = lab.run(job_of(point, output))
            if result.status != 0 or result.kernel_warnings:
                raise SystemExit(f"{point.id}: {result}")
            found[point.id] = digests.of_directory(output)
            shutil.rmtree(output)
    return found, cpu_s() - before


def main() -> int:
    """Status 1 unless all bytes are the same."""
    image = Path(sys.argv[1]) if len(sys.argv) > 1 else selection.current().image
    every = points()
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        _, of_one = run(every[:1], image, Path(scratch), shared=True)
        first, of_first = run(every, image, Path(scratch), shared=True)
        print(
            f"shared boot: {(of_first - of_one) / (len(every) - 1):.3f} CPU s a point, {of_one:.2f} the first",
            flush=True,
        )
        random.Random(2).shuffle(every)
        for what, shared in (("another order", True), ("boots of their own", False)):
            again, used = run(every, image, Path(scratch), shared=shared)
            differing = [point for point in first if first[point] != again[point]]
            print(f"{what}: {used / len(every):.3f} CPU s a point, {len(differing)} of {len(every)} differ", *differing)
            status |= bool(differing)
    return status


if __name__ == "__main__":
    sys.exit(main())
