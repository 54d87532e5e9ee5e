"""What a run shows while it goes on: a bar on a terminal, a line per finished point otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from experiments.cli.output import Console, show
from testbed.base.text import plain
from testbed.runs.scheduler import Task, TaskEnd, Watcher, total_s

_SHOWN = 2


class Lines:
    """A line for each point as it is finished."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def started(self, task: Task) -> None:
        """Nothing to say yet."""

    def phase(self, task: Task, phase: str) -> None:
        """Too much for a log."""

    def finished(self, task: Task, end: TaskEnd) -> None:
        """Print `[ 3/84] ID ok 12.3 s`, or the error."""
        self._done += 1
        show(f"[{self._done:{len(str(self._total))}}/{self._total}] {describe(end)}")


class Bar:
    """A bar with what runs now and when all will be done; failures are printed above it."""

    def __init__(self, bar: Progress, tasks: Sequence[Task], jobs: int) -> None:
        self._bar = bar
        self._left = {task.id: task for task in tasks}
        self._jobs = jobs
        self._running: dict[str, str] = {}
        self._row = bar.add_task("", total=len(tasks), eta="")
        self._show()

    def started(self, task: Task) -> None:
        """Show the point among those that run."""
        self._running[task.id] = ""
        self._show()

    def phase(self, task: Task, phase: str) -> None:
        """Show what the point does."""
        self._running[task.id] = phase
        self._show()

    def finished(self, task: Task, end: TaskEnd) -> None:
        """Advance."""
        self._running.pop(task.id, None)
        self._left.pop(task.id, None)
        self._bar.advance(self._row)
        if not end.ok:
            self._bar.console.print(describe(end), soft_wrap=True)
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


@contextmanager
def watch(tasks: Sequence[Task], jobs: int) -> Iterator[Watcher]:
    """The watcher that suits standard output."""
    console = Console()
    if not console.is_terminal:
        yield Lines(len(tasks))
        return
    parts = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.fields[eta]}  {task.description}", markup=False))
    # Drawn by whoever changes it, not by a thread of its own: a terminal that is gone is then noticed like a pipe.
    bar = Progress(*parts, console=console, transient=True, auto_refresh=False)
    try:
        bar.start()
        yield Bar(bar, tasks, jobs)
    finally:
        with contextlib.suppress(OSError):
            bar.stop()
