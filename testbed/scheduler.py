"""The scheduler: tasks in, finished point directories out, several at a time.

A task is a job for a lab with a name and a cost; what is in it the scheduler does not know. A
failed task gets a directory like any other and stops nobody; Ctrl-C ends those that run and keeps
those that are finished. Tasks in real time run last, one by one and alone: their result depends
on what else the machine does.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from testbed import digests
from testbed.errors import RunInterrupted, TestbedError
from testbed.labs.base import Cancel, Clock, Job, JobResult, Lab
from testbed.store import RunStore


@dataclass(frozen=True)
class Task:
    """One point to run: `job` fills the given output directory and says what to run; `estimate_s` is wall time."""

    id: str
    job: Callable[[Path], Job]
    clock: Clock = "virtual"
    estimate_s: float = 0.0


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended: `error` is empty if all went well; wall seconds."""

    id: str
    ok: bool
    error: str
    wall_s: float


class Watcher(Protocol):
    """Is told what happens; called by the threads of the tasks, one at a time."""

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
    return max(sum(together) / jobs, max(together, default=0.0)) + alone


@contextlib.contextmanager
def cancel_on_signals(cancel: Cancel) -> Iterator[None]:
    """Until the block ends, SIGINT and SIGTERM set the flag and do nothing else, however often they come."""

    def handle(_number: int, _frame: object) -> None:
        cancel.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    tasks: Sequence[Task], lab: Lab, store: RunStore, *, jobs: int, cancel: Cancel, watcher: Watcher
) -> list[TaskEnd]:
    """Run the tasks and return how each ended, in their order.

    Raises `RunInterrupted` once the flag is set and everything that ran has ended.
    """
    if jobs < 1:
        raise ValueError("jobs must be at least 1")
    told = _OneAtATime(watcher)
    ends: dict[str, TaskEnd] = {}

    def work(task: Task) -> None:
        with contextlib.suppress(RunInterrupted):
            ends[task.id] = _run_task(task, lab, store, cancel, told)

    for width, chosen in (
        (jobs, [task for task in tasks if task.clock == "virtual"]),
        (1, [task for task in tasks if task.clock != "virtual"]),
    ):
        with ThreadPoolExecutor(width, thread_name_prefix="task") as pool:
            futures = [pool.submit(work, task) for task in chosen]
        for future in futures:
            future.result()
    cancel.raise_if_set()
    return [ends[task.id] for task in tasks]


def _run_task(task: Task, lab: Lab, store: RunStore, cancel: Cancel, watcher: Watcher) -> TaskEnd:
    cancel.raise_if_set()
    started = time.monotonic()
    result: JobResult | None = None
    errors = _LastLine()
    try:
        output = store.begin(task.id)
        watcher.started(task)
        lines = _Events(lambda phase: watcher.phase(task, phase))
        job = task.job(output)
        result = lab.run(job, stdout=lines, stderr=errors, cancel=cancel)
        error = "" if result.status == 0 else f"ended with status {result.status}: {errors.text or 'no message'}"
        if not error and task.clock == "virtual" and result.kernel:
            digests.write(output, kernel=result.kernel, seed=job.seed)
    except RunInterrupted:
        store.abandon(task.id)
        raise
    except TestbedError as fault:
        error = f"{fault}: {errors.text}" if errors.text else str(fault)
    # A fault of the toolkit in one point must not cost the user the other points of a long run.
    except Exception as fault:
        error = f"{type(fault).__name__}: {fault}"
    wall_s = result.wall_s if result else time.monotonic() - started
    outcome = {
        "status": "failed" if error else "ok",
        "error": error,
        "wall_s": round(wall_s, 3),
        "virtual_s": result.clock_s if result else None,
        "kernel_warnings": list(result.kernel_warnings) if result else [],
    }
    try:
        store.finish(task.id, outcome)
    except OSError as fault:
        store.abandon(task.id)
        reason = f"its results cannot be written: {fault.strerror or fault}"
        error = f"{error}; {reason}" if error else reason
    end = TaskEnd(task.id, not error, error, wall_s)
    watcher.finished(task, end)
    return end


class _OneAtATime:
    """Passes calls on to a watcher, never two at once."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()

    def started(self, task: Task) -> None:
        with self._lock:
            self._watcher.started(task)

    def phase(self, task: Task, phase: str) -> None:
        with self._lock:
            self._watcher.phase(task, phase)

    def finished(self, task: Task, end: TaskEnd) -> None:
        with self._lock:
            self._watcher.finished(task, end)


class _Lines:
    """A sink that cuts bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.line(line.decode(errors="replace").strip())

    def line(self, text: str) -> None:
        """One whole line."""


class _Events(_Lines):
    """Finds `{"phase": "..."}` among the lines; anything else there is of no interest."""

    def __init__(self, phase: Callable[[str], None]) -> None:
        super().__init__()
        self._phase = phase

    def line(self, text: str) -> None:
        event: Any = None
        with contextlib.suppress(ValueError):
            event = json.loads(text)
        if isinstance(event, dict) and isinstance(event.get("phase"), str):
            self._phase(event["phase"])


class _LastLine(_Lines):
    """Keeps the last line that is not blank."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    @property
    def text(self) -> str:
        """The line; one without an end counts too."""
        return self._rest.decode(errors="replace").strip() or self._last

    def line(self, text: str) -> None:
        self._last = text or self._last
