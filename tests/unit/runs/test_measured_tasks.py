"""A task in real time beside others: what else the toolkit does on the machine is held while it is measured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testbed.base.errors import LabError
from testbed.base.needs import Need
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.runs import scheduler, store
from testbed.runs.store import RunStore
from testbed.runs.tasks import Place, Task, TaskEnd

MEASURED, SETTLING = b'{"phase": "workload", "measured": true}\n', b'{"phase": "settling"}\n'


class Lab:
    """A lab in which a job is a call of `work`; not one whose jobs can be held."""

    name = "uml"
    clocks: tuple[Clock, ...] = ("virtual", "real")
    width = 2

    def __init__(self, work: Callable[[Job, Sink], None], machine: str = HERE) -> None:
        self.machine = machine
        self._work = work
        self.under_way: set[str] = set()

    def facts(self) -> dict[str, Any]:
        return {}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        pass

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        self.under_way.add(job.argv[0])
        try:
            self._work(job, stdout)
        finally:
            self.under_way.discard(job.argv[0])
        return JobResult(0, 1.0, 1.0)


class Holdable(Lab):
    """One whose jobs in virtual time can be held."""

    held = False

    def __init__(self, work: Callable[[Job, Sink], None], machine: str = HERE) -> None:
        super().__init__(work, machine)
        self.paused: set[str] = set()
        self.is_pausing = threading.Event()

    def holding(self) -> AbstractContextManager[None]:
        return self._hold()

    @contextmanager
    def _hold(self) -> Iterator[None]:
        self.held = True
        yield
        self.held = False

    @contextmanager
    def pausing(self, output: Path) -> Iterator[None]:
        self.paused.add(output.name)
        self.is_pausing.set()
        yield
        self.paused.discard(output.name)


class Silent:
    def started(self, task: Task) -> None:
        pass

    def phase(self, task: Task, phase: str) -> None:
        pass

    def finished(self, task: Task, end: TaskEnd) -> None:
        pass


@pytest.fixture
def run_store(tmp_path: Path) -> RunStore:
    return store.create(tmp_path / "run", ["a", "b", "r1", "r2"], {})


def run(run_store: RunStore, lab: Lab, width: int = 2, **more: Any) -> list[TaskEnd]:
    names: list[tuple[str, Clock]] = [("a", "virtual"), ("b", "virtual"), ("r1", "real"), ("r2", "real")]

    def task(name: str, clock: Clock) -> Task:
        return Task(name, lambda output: Job((name,), output, clock=clock), clock)

    tasks = [task(*each) for each in names]
    return scheduler.run(tasks, [Place(lab, width)], run_store, cancel=Cancel(), watcher=Silent(), **more)


@contextmanager
def noting(held: list[bool]) -> Iterator[None]:
    """Holds what is under way here, and notes that."""
    held.append(True)
    yield
    held.pop()


def test_only_what_is_measured_holds_the_others(run_store: RunStore) -> None:
    measured_once = threading.Event()
    seen: list[tuple[str, bool, bool]] = []
    others: list[bool] = []

    def work(job: Job, out: Sink) -> None:
        if job.clock == "virtual":
            assert measured_once.wait(60)  # it is under way when the first is measured
            return
        for phase in (b'{"phase": "building"}\n', MEASURED, SETTLING):
            out(phase)
            seen.append((job.argv[0], lab.held, bool(others)))
        measured_once.set()

    lab = Holdable(work)
    assert all(end.ok for end in run(run_store, lab, others=partial(noting, others)))
    one = [("building", False), ("measured", True), ("settling", False)]
    for job in ("r1", "r2"):
        assert [each for each in seen if each[0] == job] == [(job, held, held) for _, held in one]
    assert not lab.held and not others


def test_a_job_that_ends_while_it_is_measured_again_holds_nobody_any_more(run_store: RunStore) -> None:
    seen: list[tuple[str, bool, bool]] = []
    others: list[bool] = []

    def work(job: Job, out: Sink) -> None:
        if job.argv == ("r1",):
            for phase in (MEASURED, SETTLING, MEASURED):
                out(phase)
                seen.append((job.argv[0], lab.held, bool(others)))

    lab = Holdable(work)
    assert all(end.ok for end in run(run_store, lab, others=partial(noting, others)))
    assert seen == [("r1", held, held) for held in (True, False, True)]
    assert not lab.held and not others


def test_a_measured_job_that_fails_holds_nobody_any_more(run_store: RunStore) -> None:
    def work(job: Job, out: Sink) -> None:
        if job.clock == "real":
            out(MEASURED)
            raise LabError("guest panicked")

    lab = Holdable(work)
    assert [end.ok for end in run(run_store, lab)] == [True, True, False, False]
    assert not lab.held


@pytest.mark.parametrize("make", [Lab, Holdable])
def test_a_job_in_real_time_is_never_beside_another_of_its_kind_or_one_that_cannot_be_held(
    run_store: RunStore, make: type[Lab]
) -> None:
    together: list[set[str]] = []

    def work(job: Job, out: Sink) -> None:
        together.append(set(lab.under_way))

    lab = make(work)
    assert all(end.ok for end in run(run_store, lab))
    assert not any({"r1", "r2"} <= each for each in together)
    if make is Lab:
        assert [each for each in together if each & {"r1", "r2"}] == [{"r1"}, {"r2"}]


@pytest.mark.parametrize(("width", "beside"), [(2, {"a", "b", "r1"}), (1, {"r1"})])
def test_a_job_in_real_time_takes_the_place_of_none_in_virtual_time(
    run_store: RunStore, width: int, beside: set[str]
) -> None:
    everybody = threading.Barrier(len(beside), timeout=60)
    seen: list[set[str]] = []

    def work(job: Job, _out: Sink) -> None:
        if job.argv[0] in beside:
            everybody.wait()
            seen.append(set(lab.under_way))
            everybody.wait()

    lab = Holdable(work)
    assert all(end.ok for end in run(run_store, lab, width))
    assert seen == [beside] * len(beside)


def test_one_is_set_up_while_the_one_before_clears_away_and_held_until_that_has_ended(run_store: RunStore) -> None:
    is_set_up = {name: threading.Event() for name in ("r1", "r2")}
    seen: list[tuple[str, set[str]]] = []

    def work(job: Job, out: Sink) -> None:
        if job.clock == "virtual":
            return
        (name,) = job.argv
        is_set_up[name].set()
        out(MEASURED)
        assert not lab.paused  # whoever was held has been let go
        seen.append((name, lab.under_way & {"r1", "r2"}))
        out(SETTLING)
        if len(seen) == 1:  # the first of the two clears away until the other is held
            assert all(event.wait(60) for event in is_set_up.values())
            assert lab.is_pausing.wait(60)
            assert len(lab.paused) == 1 and name not in lab.paused
            assert len(seen) == 1

    lab = Holdable(work)
    assert all(end.ok for end in run(run_store, lab))
    assert [alone for _, alone in seen] == [{name} for name, _ in seen]


def test_a_measured_job_in_real_time_that_fails_lets_the_next_one_begin(run_store: RunStore) -> None:
    def work(job: Job, out: Sink) -> None:
        if job.argv == ("r1",):
            out(MEASURED)
            out(SETTLING)
            raise LabError("guest panicked")
        out(MEASURED)

    assert [end.ok for end in run(run_store, Holdable(work))] == [True, True, False, True]


def test_what_is_under_way_here_goes_on_while_another_machine_measures(run_store: RunStore) -> None:
    def others() -> AbstractContextManager[None]:
        raise AssertionError("held for nothing")

    assert all(end.ok for end in run(run_store, Lab(lambda _job, out: out(MEASURED), "elsewhere"), others=others))
