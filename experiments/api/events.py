"""What the API tells while it works: a dataclass per event, handed to whoever listens.

A listener is called by the threads that do the work, one at a time. One that raises (its output is closed, say) ends
a run as Ctrl-C does, and hears nothing more of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed.runs.tasks import Task, TaskEnd
from testbed.runs.verification import Verdict


@dataclass(frozen=True)
class Notice:
    """Something worth a line: what takes long, or what was left out and why."""

    text: str


@dataclass(frozen=True)
class PointsDue:
    """These are about to run, at most `width` of them at a time."""

    tasks: tuple[Task, ...]
    width: int


@dataclass(frozen=True)
class PointStarted:
    """The point is handed to a lab."""

    task: Task


@dataclass(frozen=True)
class PointPhase:
    """What the point does now, in a word or two."""

    task: Task
    phase: str


@dataclass(frozen=True)
class PointFinished:
    """The point's directory has its final name; how it ended."""

    task: Task
    end: TaskEnd


@dataclass(frozen=True)
class AnalysisStarted:
    """All points have ended; their raw data are being read."""

    directory: Path


@dataclass(frozen=True)
class PointsToCompare:
    """The points, by id, of which each will get its verdict."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class PointCompared:
    """Whether a point came to the same bytes again."""

    verdict: Verdict


Event = (
    Notice | PointsDue | PointStarted | PointPhase | PointFinished | AnalysisStarted | PointsToCompare | PointCompared
)
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The listener that does not care."""


class Telling:
    """The scheduler's watcher that makes events of what it is told."""

    def __init__(self, listen: Listener) -> None:
        self._listen = listen

    def started(self, task: Task) -> None:
        """Tell of it."""
        self._listen(PointStarted(task))

    def phase(self, task: Task, phase: str) -> None:
        """Tell of it."""
        self._listen(PointPhase(task, phase))

    def finished(self, task: Task, end: TaskEnd) -> None:
        """Tell of it."""
        self._listen(PointFinished(task, end))
