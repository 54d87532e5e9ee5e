"""What a virtual second costs, with labs that say what they took: boot is taken off, kernels are compared in turns."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.api import benchmark
from testbed.base.errors import UsageError
from testbed.base.needs import Need
from testbed.kernel import selection
from testbed.labs import catalog
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult
from testbed.tools import large_reads

POINTS = ("fig13-tcp-100MB-seed1", "fig14-mptcp-100MB-seed1")


class Lab:
    """Its guests boot in a second; each point then takes the next of `wall_s`, for 2 s of virtual time."""

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
            return JobResult(0, 1.0, 0.0)
        (job.output / "ab.txt").write_text(self._prints)
        return JobResult(0, 1.0 + next(self._wall_s), 2.0)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"old": [4.0, 8.0], "new": [2.0, 2.0]}
    found = [SimpleNamespace(id=name, manifest=SimpleNamespace(flavour="uml")) for name in costs]
    labs = {name: Lab(cycle(wall_s), prints=name) for name, wall_s in costs.items()}
    monkeypatch.setattr(selection, "default_cache", lambda: SimpleNamespace(all=lambda: found))
    monkeypatch.setattr(catalog, "open_lab", lambda _spec, options: contextlib.nullcontext(labs[options.kernel.id]))


@pytest.mark.usefixtures("kernels")
def test_kernels_take_turns_and_are_compared_within_each() -> None:
    found = benchmark.measure(kernels=["old", "new"], repeat=2)
    assert (found.kernels, found.boot_s) == (("old", "new"), 1.0)
    assert [(each.point, each.kernel) for each in found.measured][:4] == [
        (point, kernel) for point in POINTS for kernel in ("old", "new")
    ]
    old, new = found.measured[:2]
    assert [cost.per_s for cost in old.costs] == [2.0, 4.0]
    assert (old.ratios, new.ratios) == ((1.0, 1.0), (0.5, 0.25))
    assert (old.differing, new.differing) == ((), ("ab.txt",))


@pytest.mark.usefixtures("kernels")
def test_one_kernel_is_compared_by_the_first_points_median() -> None:
    found = benchmark.measure(kernels=["old"], repeat=2)
    assert {each.ratios for each in found.measured} == {(2 / 3, 4 / 3)}


@pytest.mark.usefixtures("kernels")
def test_a_kernel_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no lab kernel 'newer' .*builds in the cache: old, new"):
        benchmark.measure(kernels=["newer"])
    with pytest.raises(UsageError, match="no virtual clock: local"):
        benchmark.measure(lab="local")
