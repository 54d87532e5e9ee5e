"""What a run shows while it goes on: a bar on a terminal, a line per finished point otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from experiments.api.events import (
    AnalysisStarted,
    Event,
    Listener,
    Notice,
    PointFinished,
    PointPhase,
    PointsDue,
    PointStarted,
)
from experiments.cli.output import Console, say, show
from testbed.base.text import plain
from testbed.runs.tasks import Task, TaskEnd, total_s

_SHOWN = 2


class Display(Protocol):
    """Shows the points of one run."""

    def hear(self, event: PointStarted | PointPhase | PointFinished) -> None:
        """Show what has come of a point."""


class Lines:
    """A line for each point as it is finished."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def hear(self, event: PointStarted | PointPhase | PointFinished) -> None:
        """Print `[ 3/84] ID ok 12.3 s`, or the error; the rest is too much for a log."""
        if isinstance(event, PointFinished):
            self._done += 1
            show(f"[{self._done:{len(str(self._total))}}/{self._total}] {describe(event.end)}")


class Bar:
    """A bar with what runs now and when all will be done; failures are printed above it."""

    def __init__(self, bar: Progress, tasks: Sequence[Task], jobs: int) -> None:
        self._bar = bar
        self._left = {task.id: task for task in tasks}
        self._jobs = jobs
        self._running: dict[str, str] = {}
        self._row = bar.add_task("", total=len(tasks), eta="")
        self._show()

    def hear(self, event: PointStarted | PointPhase | PointFinished) -> None:
        """Show the point among those that run, or one that does no more."""
        if isinstance(event, PointFinished):
            self._running.pop(event.task.id, None)
            self._left.pop(event.task.id, None)
            self._bar.advance(self._row)
            if not event.end.ok:
                self._bar.console.print(describe(event.end), soft_wrap=True)
        else:
            self._running[event.task.id] = event.phase if isinstance(event, PointPhase) else ""
        self._show()

    def _show(self) -> None:
        names = [f"{name} ({phase})" if phase else name for name, phase in self._running.items()]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        seconds = total_s(list(self._left.values()), self._jobs)
        eta = f"about {seconds / 60:.0f} min left" if seconds >= 60 else f"about {seconds:.0f} s left"
        self._bar.update(self._row, description=", ".join(names[:_SHOWN]) + more, eta=eta, refresh=True)


def describe(end: TaskEnd) -> str:
    """One finished point in one line."""
    return plain(f"{end.id} ok {end.wall_s:.1f} s" if end.ok else f"{end.id} FAILED {end.wall_s:.1f} s: {end.error}")


def tell_of(event: Event) -> None:
    """Say what is worth a line beside the output, and nothing else."""
    if isinstance(event, Notice):
        say(event.text)


@contextmanager
def hearing() -> Iterator[Listener]:
    """A listener that shows, as suits standard output, each run that it hears of; what it shows is gone at the end."""
    with ExitStack() as stack:
        shown: list[Display] = []

        def listen(event: Event) -> None:
            if isinstance(event, PointsDue | AnalysisStarted):
                stack.close()  # of what ran before, nothing goes on
                shown.clear()
                if isinstance(event, PointsDue):
                    shown.append(stack.enter_context(_display(event)))
            elif isinstance(event, PointStarted | PointPhase | PointFinished):
                for each in shown:
                    each.hear(event)
            else:
                tell_of(event)

        yield listen


@contextmanager
def _display(due: PointsDue) -> Iterator[Display]:
    console = Console()
    if not console.is_terminal:
        yield Lines(len(due.tasks))
        return
    parts = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.fields[eta]}  {task.description}", markup=False))
    # Drawn by whoever changes it, not by a thread of its own: a terminal that is gone is then noticed like a pipe.
    bar = Progress(*parts, console=console, transient=True, auto_refresh=False)
    try:
        bar.start()
        yield Bar(bar, due.tasks, due.width)
    finally:
        with contextlib.suppress(OSError):
            bar.stop()
