"""The scheduler: tasks in, finished point directories out, several at a time, in one lab or several.

A task is a job for a lab with a name and a cost; what is in it the scheduler does not know. A
failed task gets a directory like any other and stops nobody; Ctrl-C, a closed terminal and an output that nobody reads
end those that run and keep those that are finished. Labs share the tasks: whoever is free takes the next one that it
has the clock for. Tasks in real time are measured one by one: their result depends on what else the machine does. While
one says that it is measured now, everything else that the toolkit does on this machine is held; before and after, which
is mostly waiting, it is one more beside those in virtual time, and one is set up while the one before clears away
(`testbed.runs.real_time`). Where a lab's jobs cannot be held, they run last, and alone on their machine.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias

from testbed import signals
from testbed.base.errors import DiskFull, RunInterrupted, TestbedError, UsageError
from testbed.labs.base import HERE, Cancel, Clock, HoldableLab, JobResult, Lab
from testbed.runs import digests
from testbed.runs.job_output import LastLine, Phases
from testbed.runs.outcomes import outcome_of
from testbed.runs.real_time import Turn, Turns
from testbed.runs.store import RunStore
from testbed.runs.tasks import OneAtATime, Place, Task, TaskEnd, Watcher
from testbed.signals import handled

Hold: TypeAlias = Callable[[], contextlib.AbstractContextManager[None]]
"""Holds something while the block lasts."""


@contextlib.contextmanager
def cancel_on_signals(cancel: Cancel) -> Iterator[None]:
    """Until the block ends, SIGINT, SIGTERM and SIGHUP set the flag and do nothing else, however often they come.

    Nor do they after it, once one has come (`signals.raised`).
    """

    def end(number: int) -> None:
        signals.obeyed(number)
        cancel.set(signals.reason(number))

    with handled(signals.ENDING, end):
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
    told = OneAtATime(watcher, cancel)
    queue = _Queue(tasks)
    ends: dict[str, TaskEnd] = {}

    def work(place: Place, clock: Clock, turn: Turn | None = None) -> bool:
        task = None if cancel.is_set() else queue.take(clock, place.lab.clocks)
        if task is None:
            return False
        with contextlib.suppress(RunInterrupted):
            holds = (others, *_holds(place.lab)) if clock == "real" and place.lab.machine == HERE else ()
            ends[task.id] = _run_task(task, place.lab, store, cancel=cancel, watcher=told, holds=holds, turn=turn)
        return True

    def work_on(place: Place, *clocks: Clock) -> None:
        while any(work(place, clock) for clock in clocks):
            pass

    def work_in_turns(place: Place, turns: Turns) -> None:
        is_left = True
        while is_left:
            with turns.next() as turn:
                is_left = work(place, "real", turn)

    def serve(machine: Sequence[Place]) -> None:
        if len(machine) == 1 and _holds(machine[0].lab):
            (place,) = machine
            if place.width == 1:
                work_on(place, "real", "virtual")
            else:
                in_turns = partial(work_in_turns, place, Turns())
                _together([*[partial(work_on, place, "virtual")] * place.width, *[in_turns] * 2])
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
    task: Task, lab: Lab, store: RunStore, *, cancel: Cancel, watcher: Watcher, holds: Sequence[Hold], turn: Turn | None
) -> TaskEnd:
    with contextlib.ExitStack() as held:

        def phase(output: Path, name: str, is_measured: bool) -> None:
            held.close()
            if turn is not None and isinstance(lab, HoldableLab):
                turn.phase(is_measured, pausing=partial(lab.pausing, output))
            for hold in holds if is_measured else ():
                held.enter_context(hold())
            watcher.phase(task, name)

        return _run_in(task, lab, store, cancel=cancel, watcher=watcher, phase=phase)


def _run_in(
    task: Task,
    lab: Lab,
    store: RunStore,
    *,
    cancel: Cancel,
    watcher: Watcher,
    phase: Callable[[Path, str, bool], None],
) -> TaskEnd:
    _end_if_full(store, cancel)
    cancel.raise_if_set()
    started = time.monotonic()
    result: JobResult | None = None
    errors = LastLine()
    try:
        output = store.begin(task.id)
        watcher.started(task)
        job = task.job(output)
        result = lab.run(job, stdout=Phases(partial(phase, output)), stderr=errors, cancel=cancel)
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
