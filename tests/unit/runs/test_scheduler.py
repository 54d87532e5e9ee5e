"""How a run ends before its time, and what the scheduler makes of labs and watchers that misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from testbed.base.errors import RunInterrupted
from testbed.base.needs import Need
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.runs import scheduler, store
from testbed.runs.job_output import Lines
from testbed.runs.store import RunStore
from testbed.runs.tasks import Place, Task, TaskEnd


class Lab:
    """A lab in which a job is a function of this process."""

    name = "uml"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual", "real")
    width = 1

    def __init__(self, work: Callable[[Sink, Sink], None]) -> None:
        self._work = work

    def facts(self) -> dict[str, Any]:
        return {}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        pass

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        self._work(stdout, stderr)
        return JobResult(0, 1.0, 1.0)


class Watcher:
    """Remembers what it was told; raises `error` when the first point is finished."""

    def __init__(self, error: Exception | None = None) -> None:
        self.ended: list[TaskEnd] = []
        self._error = error

    def started(self, task: Task) -> None:
        pass

    def phase(self, task: Task, phase: str) -> None:
        pass

    def finished(self, task: Task, end: TaskEnd) -> None:
        self.ended.append(end)
        if self._error:
            raise self._error


NAMES = ("one", "two", "three")


@pytest.fixture
def run_store(tmp_path: Path) -> RunStore:
    return store.create(tmp_path / "run", NAMES, {})


def run(run_store: RunStore, lab: Lab, watcher: Watcher, cancel: Cancel | None = None) -> list[TaskEnd]:
    tasks = [Task(name, lambda output: Job(("true",), output)) for name in NAMES]
    return scheduler.run(tasks, [Place(lab, 1)], run_store, cancel=cancel or Cancel(), watcher=watcher)


def test_the_longest_comes_first_and_those_of_a_length_in_their_order(run_store: RunStore) -> None:
    lengths_s = dict(zip(NAMES, (1.0, 3.0, 3.0), strict=True))
    tasks = [Task(name, lambda output: Job(("true",), output), estimate_s=lengths_s[name]) for name in NAMES]
    watcher = Watcher()
    lab = Lab(lambda _out, _err: None)
    ends = scheduler.run(tasks, [Place(lab, 1)], run_store, cancel=Cancel(), watcher=watcher)
    assert [end.id for end in watcher.ended] == ["two", "three", "one"]
    assert [end.id for end in ends] == list(NAMES)


def test_an_output_that_is_closed_ends_the_run_and_keeps_what_is_finished(run_store: RunStore) -> None:
    watcher = Watcher(BrokenPipeError(32, "Broken pipe"))
    with pytest.raises(RunInterrupted, match="Broken pipe"):
        run(run_store, Lab(lambda _out, _err: None), watcher)
    assert [run_store.is_ok(name) for name in NAMES] == [True, False, False]
    assert [end.id for end in watcher.ended] == ["one"]
    assert sorted(path.name for path in run_store.points.iterdir()) == ["one"]


def test_a_lab_that_is_interrupted_unasked_costs_one_point_only(run_store: RunStore) -> None:
    calls: list[int] = []

    def work(_out: Sink, _err: Sink) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RunInterrupted("interrupted")

    ends = run(run_store, Lab(work), Watcher())
    assert [end.ok for end in ends] == [True, False, True]
    assert "nobody had asked for" in ends[1].error


def test_the_first_reason_for_an_end_is_the_one_that_is_told() -> None:
    cancel = Cancel()
    cancel.set("interrupted by SIGTERM")
    cancel.set("interrupted")
    with pytest.raises(RunInterrupted, match="SIGTERM"):
        cancel.raise_if_set()


def test_output_without_an_end_of_line_costs_neither_memory_nor_time(run_store: RunStore) -> None:
    block = b"x" * 65536

    def work(out: Sink, err: Sink) -> None:
        for _ in range(1000):
            out(block)
            err(block)
        err(b"\nthe last line")
        raise OSError("it broke")

    began = time.process_time()
    ends = run(run_store, Lab(work), Watcher())
    assert time.process_time() - began < 5  # growing with the square of the length it took minutes
    assert all(len(end.error) < 1000 for end in ends)


def test_lines_are_put_together_from_any_pieces() -> None:
    seen: list[str] = []

    class Seen(Lines):
        def line(self, text: str) -> None:
            seen.append(text)

    lines = Seen()
    for piece in (b"a", b"b\nc", b"\n\n", b"d\xff", b"e\nf"):
        lines(piece)
    assert seen == ["ab", "c", "", "d\N{REPLACEMENT CHARACTER}e"] and lines.rest == "f"


def test_a_lab_that_queues_has_its_next_points_at_hand(run_store: RunStore) -> None:
    together, now, most, lock = threading.Barrier(5), 0, 0, threading.Lock()

    def work(_stdout: Sink, _stderr: Sink) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(20)  # it breaks with fewer at once
        with lock:
            now -= 1

    tasks = [Task(f"t{number}", lambda output: Job(("work",), output)) for number in range(10)]
    ends = scheduler.run(tasks, [Place(Lab(work), 2, ahead=3)], run_store, cancel=Cancel(), watcher=Watcher())
    assert [end.ok for end in ends] == [True] * 10 and most == 5
