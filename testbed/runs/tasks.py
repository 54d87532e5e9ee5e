"""What the scheduler is given and tells: tasks, the places that run them, and who watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.base.errors import TestbedError
from testbed.base.needs import Need
from testbed.labs.base import Cancel, Clock, Job, Lab


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


class OneAtATime:
    """Passes calls on to a watcher, never two at once."""

    def __init__(self, watcher: Watcher, cancel: Cancel) -> None:
        self._watcher = watcher
        self._cancel = cancel
        self._lock = threading.Lock()
        self._is_deaf = False

    def started(self, task: Task) -> None:
        """Pass it on."""
        self._tell(lambda: self._watcher.started(task))

    def phase(self, task: Task, phase: str) -> None:
        """Pass it on."""
        self._tell(lambda: self._watcher.phase(task, phase))

    def finished(self, task: Task, end: TaskEnd) -> None:
        """Pass it on."""
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
