"""The scheduler: tasks in, finished point directories out, several at a time, in one lab or several.

A task is a job for a lab with a name and a cost; what is in it the scheduler does not know. A
failed task gets a directory like any other and stops nobody; Ctrl-C, a closed terminal and an output that nobody reads
end those that run and keep those that are finished. Labs share the tasks: whoever is free takes the next one that it
has the clock for. Tasks in real time run one by one: their result depends on what else the machine does. While one says
that it is measured now, everything else that the toolkit does on this machine is held; before and after, which is
mostly waiting, it is one more beside those in virtual time. Where a lab's jobs cannot be held, they run last, and alone
on their machine.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from testbed import signals
from testbed.base.errors import DiskFull, RunInterrupted, TestbedError, UsageError
from testbed.base.needs import Need
from testbed.labs.base import HERE, Cancel, Clock, HoldableLab, Job, JobResult, Lab
from testbed.runs import digests
from testbed.runs.job_output import LastLine, Phases
from testbed.runs.outcomes import outcome_of
from testbed.runs.store import RunStore
from testbed.signals import handled

Hold: TypeAlias = Callable[[], contextlib.AbstractContextManager[None]]
"""Holds something while the block lasts."""


@dataclass(frozen=True)
class Task:
    """One point to run: `job` fills the given output directory and says what to run; `estimate_s` is wall time,
    `disk_bytes` the most that its directory should take.

    `needs` are what the job needs of the lab.
    """

    id: str
    job: Callable[[Path], Job]
    clock: Clock = "virtual"
    estimate_s: float = 0.0
    disk_bytes: int = 0
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class Place:
    """A lab with the number of tasks in virtual time that it gets at once; with 1 no other goes beside them.

    `ahead` are more that it keeps at hand meanwhile (`testbed.labs.base.QueueingLab`).
    """

    lab: Lab
    width: int
    ahead: int = 0

    def __post_init__(self) -> None:
        if self.width < 1 or self.ahead < 0:
            raise ValueError("the width must be at least 1, and what is at hand no less than nothing")


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended: `error` is empty if all went well; wall seconds; the lab's name."""

    id: str
    ok: bool
    error: str
    wall_s: float
    lab: str = ""


class Watcher(Protocol):
    """Is told what happens; called by the threads of the tasks, one at a time.

    One that raises (its output is closed, say) ends the run as Ctrl-C does, and is told nothing more.
    """

    def started(self, task: Task) -> None:
        """The task is handed to the lab."""

    def phase(self, task: Task, phase: str) -> None:
        """The task has said on its stdout what it does now: `{"phase": "..."}`."""

    def finished(self, task: Task, end: TaskEnd) -> None:
        """The task's directory has its final name."""


def total_s(tasks: Sequence[Task], jobs: int) -> float:
    """An estimate of the wall seconds that the tasks take, `jobs` at a time."""
    together = [task.estimate_s for task in tasks if task.clock == "virtual"]
    alone = sum(task.estimate_s for task in tasks if task.clock != "virtual")
    return max((sum(together) + alone) / jobs, max(together, default=0.0), alone)


@contextlib.contextmanager
def cancel_on_signals(cancel: Cancel) -> Iterator[None]:
    """Until the block ends, SIGINT, SIGTERM and SIGHUP set the flag and do nothing else, however often they come."""
    with handled(signals.ENDING, lambda number: cancel.set(signals.reason(number))):
        yield


def require(tasks: Sequence[Task], places: Sequence[Place], cancel: Cancel | None = None) -> None:
    """Raise `UsageError` for a task that no lab has the clock for, `PrerequisiteError` for what a lab lacks.

    Each lab is asked for the needs of all the tasks that it might get; `RunInterrupted` once the flag is set.
    """
    for task in tasks:
        if not any(task.clock in place.lab.clocks for place in places):
            names = ", ".join(place.lab.name for place in places)
            raise UsageError(
                f"{task.id} runs in {task.clock} time, which the lab does not have: {names}",
                hint="name another lab, or the other clock with --clock",
            )
    for place in places:
        wanted = [task.needs for task in tasks if task.clock in place.lab.clocks]
        place.lab.require(frozenset().union(*wanted), cancel)


def run(
    tasks: Sequence[Task],
    places: Sequence[Place],
    store: RunStore,
    *,
    cancel: Cancel,
    watcher: Watcher,
    others: Hold = contextlib.nullcontext,
) -> list[TaskEnd]:
    """Run the tasks and return how each ended, in their order.

    Each must be able to run there (`require`). `others` holds what else the caller has under way on this machine, while
    its block lasts. Raises `RunInterrupted` once the flag is set and everything that ran
    has ended.
    """
    told = _OneAtATime(watcher, cancel)
    queue = _Queue(tasks)
    ends: dict[str, TaskEnd] = {}

    def work(place: Place, clock: Clock) -> bool:
        task = None if cancel.is_set() else queue.take(clock, place.lab.clocks)
        if task is None:
            return False
        with contextlib.suppress(RunInterrupted):
            holds = (others, *_holds(place.lab)) if clock == "real" and place.lab.machine == HERE else ()
            ends[task.id] = _run_task(task, place.lab, store, cancel=cancel, watcher=told, holds=holds)
        return True

    def work_on(place: Place, *clocks: Clock) -> None:
        while any(work(place, clock) for clock in clocks):
            pass

    def serve(machine: Sequence[Place]) -> None:
        if len(machine) == 1 and _holds(machine[0].lab):
            (place,) = machine
            if place.width == 1:
                work_on(place, "real", "virtual")
            else:
                _together([*[partial(work_on, place, "virtual")] * place.width, partial(work_on, place, "real")])
            return
        _together([partial(work_on, place, "virtual") for place in machine for _ in range(place.width + place.ahead)])
        while sum(work(place, "real") for place in machine):  # each in turn
            pass

    machines = dict.fromkeys(place.lab.machine for place in places)
    _together([partial(serve, [place for place in places if place.lab.machine == name]) for name in machines])
    cancel.raise_if_set()
    return [ends[task.id] for task in tasks]


def _holds(lab: Lab) -> tuple[Hold, ...]:
    """What holds the lab's jobs in virtual time, if anything does."""
    return (lab.holding,) if isinstance(lab, HoldableLab) and lab.machine == HERE else ()


def _together(workers: Sequence[Callable[[], None]]) -> None:
    """Run them all at once, a thread each, to their end; raises what the first of them raised."""
    with ThreadPoolExecutor(len(workers), thread_name_prefix="task") as pool:
        futures = [pool.submit(worker) for worker in workers]
    for future in futures:
        future.result()


class _Queue:
    """The tasks that nobody has taken yet, the longest first: so the last ones end at nearly the same time."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = sorted(tasks, key=lambda task: -task.estimate_s)
        self._lock = threading.Lock()

    def take(self, clock: Clock, clocks: Sequence[Clock]) -> Task | None:
        """The next task with this clock, None if none is left or it is none of `clocks`."""
        with self._lock:
            for number, task in enumerate(self._tasks):
                if task.clock == clock and clock in clocks:
                    return self._tasks.pop(number)
        return None


def _run_task(
    task: Task, lab: Lab, store: RunStore, *, cancel: Cancel, watcher: Watcher, holds: Sequence[Hold]
) -> TaskEnd:
    with contextlib.ExitStack() as held:

        def phase(name: str, is_measured: bool) -> None:
            held.close()
            for hold in holds if is_measured else ():
                held.enter_context(hold())
            watcher.phase(task, name)

        return _run_in(task, lab, store, cancel=cancel, watcher=watcher, phases=Phases(phase))


def _run_in(task: Task, lab: Lab, store: RunStore, *, cancel: Cancel, watcher: Watcher, phases: Phases) -> TaskEnd:
    _end_if_full(store, cancel)
    cancel.raise_if_set()
    started = time.monotonic()
    result: JobResult | None = None
    errors = LastLine()
    try:
        output = store.begin(task.id)
        watcher.started(task)
        job = task.job(output)
        result = lab.run(job, stdout=phases, stderr=errors, cancel=cancel)
        error = "" if result.status == 0 else f"ended with status {result.status}: {errors.text or 'no message'}"
        if not error and task.clock == "virtual" and result.kernel:
            digests.write(output, kernel=result.kernel, seed=job.seed)
    except RunInterrupted as fault:
        if cancel.is_set():
            store.abandon(task.id)
            raise
        error = f"the lab was interrupted, which nobody had asked for: {fault}"
    except TestbedError as fault:
        error = f"{fault}: {errors.text}" if errors.text else str(fault)
    # A fault of the toolkit in one point must not cost the user the other points of a long run.
    except Exception as fault:
        error = f"{type(fault).__name__}: {fault}"
    if error:
        _end_if_full(store, cancel, task.id)
        cancel.raise_if_set()
    wall_s = result.wall_s if result else time.monotonic() - started
    outcome = outcome_of(result, error, wall_s=wall_s, lab=lab.name, output=output if result else store.points)
    try:
        store.finish(task.id, outcome)
    except OSError as fault:
        store.abandon(task.id)
        reason = f"its results cannot be written: {fault.strerror or fault}"
        error = f"{error}; {reason}" if error else reason
    end = TaskEnd(task.id, not error, error, wall_s=wall_s, lab=lab.name)
    watcher.finished(task, end)
    return end


def _end_if_full(store: RunStore, cancel: Cancel, failed: str = "") -> None:
    """End the run where the disk has no room to go on: every further point would fail, with a reason of its own.

    What the failed point has left goes, and with it the run has room to say how it ended.
    """
    if shortage := store.shortage():
        if failed:
            store.abandon(failed)
        cancel.set(shortage, DiskFull)


class _OneAtATime:
    """Passes calls on to a watcher, never two at once."""

    def __init__(self, watcher: Watcher, cancel: Cancel) -> None:
        self._watcher = watcher
        self._cancel = cancel
        self._lock = threading.Lock()
        self._is_deaf = False

    def started(self, task: Task) -> None:
        self._tell(lambda: self._watcher.started(task))

    def phase(self, task: Task, phase: str) -> None:
        self._tell(lambda: self._watcher.phase(task, phase))

    def finished(self, task: Task, end: TaskEnd) -> None:
        self._tell(lambda: self._watcher.finished(task, end))

    def _tell(self, say: Callable[[], None]) -> None:
        with self._lock:
            if self._is_deaf:
                return
            try:
                say()
            except (TestbedError, OSError) as error:
                self._is_deaf = True
                self._cancel.set(f"interrupted: {error}")
