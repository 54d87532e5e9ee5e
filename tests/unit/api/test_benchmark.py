"""What points cost, with labs that say what they took: kernels take turns, and are compared within each."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Collection, Iterator
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from experiments.api import benchmark
from experiments.cli.bench import bench
from testbed.base.errors import UsageError
from testbed.base.needs import Need
from testbed.kernel import selection
from testbed.labs import catalog
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult
from testbed.tools import large_reads

POINTS = (
    "fig13 whole", "fig14 whole", "fig13 10 s", "fig14 10 s", "fig07 tcp 200 x 1000 KB", "fig07 mptcp 200 x 1000 KB",
    "fig07 mptcp 10 x 10 KB",
)  # fmt: skip
BUSY = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
RAN: list[tuple[str, float]] = []


class Lab:
    """Its guests boot in a second; each point takes the next of `wall_s`, for as long as it is planned."""

    name = "scripted"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual",)
    width = 1

    def __init__(self, wall_s: Iterator[float], prints: str) -> None:
        self._wall_s = wall_s
        self._prints = prints
        self.asked: set[str] = set()

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        self.asked |= {need.name for need in needs}

    def run(self, job: Job, **_rest: Any) -> JobResult:
        assert large_reads.NEED.name in self.asked  # before anything starts
        if job.argv == ("true",):
            RAN.append((self._prints, 0.0))
            if self._prints == "busy":
                subprocess.run(["python3", "-c", BUSY], check=True)
            return JobResult(0, 1.0, 0.0)
        (job.output / "ab.txt").write_text(self._prints)
        RAN.append((self._prints, job.clock_limit_s))
        return JobResult(0, next(self._wall_s), 2.0)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"old": [4.0] * 7 + [8.0] * 7, "new": [2.0], "busy": [1.0]}
    found = [SimpleNamespace(id=name, manifest=SimpleNamespace(flavour="uml")) for name in costs]
    labs = {name: Lab(cycle(wall_s), prints=name) for name, wall_s in costs.items()}
    monkeypatch.setattr(selection, "default_cache", lambda: SimpleNamespace(all=lambda: found))
    monkeypatch.setattr(catalog, "open_lab", lambda _spec, options: contextlib.nullcontext(labs[options.kernel.id]))
    RAN.clear()


@pytest.mark.usefixtures("kernels")
def test_kernels_take_turns_and_are_compared_within_each() -> None:
    found = benchmark.measure(kernels=["old", "new"], repeat=2)
    assert (found.kernels, found.repeat) == (("old", "new"), 2)
    assert [(each.point, each.kernel) for each in found.measured] == [
        (point, kernel) for point in POINTS for kernel in ("old", "new")
    ]
    old, new = found.measured[:2]
    assert [cost.wall_s for cost in old.costs] == [4.0, 8.0] and old.wall_s == 6.0
    assert (old.wall_ratios, new.wall_ratios) == ((1.0, 1.0), (0.5, 0.25))
    assert (old.differing, new.differing) == ((), ("ab.txt",))
    assert [each.wall_s for each in found.boots] == [1.0, 1.0]
    turn = [("old", 0.0), ("new", 0.0)]
    assert RAN[:2] == turn and RAN[16:18] == turn and RAN[:16] == RAN[16:]  # everything once, then everything again
    assert [name for name, _ in RAN] == ["old", "new"] * 16


@pytest.mark.usefixtures("kernels")
def test_whole_points_are_as_long_as_the_papers_and_can_be_left_out() -> None:
    benchmark.measure(kernels=["old"], short_s=5)
    whole, short = RAN[1][1], RAN[3][1]
    RAN.clear()
    found = benchmark.measure(kernels=["old"], short_s=5, whole=False)
    assert whole > short + 100
    assert [each.point for each in found.measured] == ["fig13 5 s", "fig14 5 s", *POINTS[4:]]
    assert RAN[1][1] == short and found.measured[0].wall_ratios == ()


@pytest.mark.usefixtures("kernels")
def test_processor_time_is_that_of_the_guests_processes() -> None:
    found = benchmark.measure(kernels=["old", "busy"], whole=False)
    idle, busy = (boot.cpu_s for boot in found.boots)
    assert idle is not None and idle < 0.1
    assert busy is not None and 0.2 <= busy < 2


@pytest.mark.usefixtures("kernels")
def test_the_table_has_a_row_per_point_and_kernel_and_the_number_of_runs() -> None:
    done = CliRunner().invoke(bench, ["--kernel", "old", "--kernel", "new", "--repeat", "2"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "point" and "CPU ratio" in lines[0]
    (row,) = [line for line in lines if line.startswith("fig14 whole  ") and " new " in line]
    assert row.endswith("0.38 (0.25-0.50)")
    assert "2 runs of each, in turns; CPU of the guest and its processes" in lines
    assert "fig13 whole: kernel new gives another result: ab.txt" in lines


@pytest.mark.usefixtures("kernels")
def test_a_kernel_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no lab kernel 'newer' .*builds in the cache: old, new, busy"):
        benchmark.measure(kernels=["newer"])
    with pytest.raises(UsageError, match="no virtual clock: local"):
        benchmark.measure(lab="local")
