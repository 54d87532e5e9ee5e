"""The daemon's life: from a task, which one line of JSON can carry, to the signal that ends it.

`python -m testbed.path_manager JSON` is how a point starts it on a server; people have `testbed path-manager`.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from testbed.base.errors import UsageError
from testbed.path_manager.figure4 import Settings
from testbed.path_manager.journal import Journal
from testbed.path_manager.options import Options
from testbed.signals import ENDING, handled

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What a daemon is to do: its settings, how it works, and the file that gets its journal, if any."""

    settings: Settings
    options: Options = field(default_factory=Options)
    journal: Path | None = None

    def argv(self) -> list[str]:
        """The command line of a process that does it."""
        return [sys.executable, "-m", "testbed.path_manager", _tasks().dump_json(self, exclude_none=True).decode()]


@functools.cache
def _tasks() -> TypeAdapter[Task]:
    return TypeAdapter(Task)


def task_of(text: str) -> Task:
    """The task that `Task.argv` wrote; raises `UsageError` for anything else."""
    try:
        return _tasks().validate_json(text)
    except ValidationError as error:
        raise UsageError(f"not a task for the path manager: {error.errors()[0]['msg']}") from error


def serve(task: Task, say: Say, *, note: Say | None = None) -> None:
    """Do the task until SIGTERM, SIGINT or SIGHUP; `say` hears "ready", and in the end what was done.

    `note` gets each line of the journal; one that raises OSError hears no more. Raises `PrerequisiteError` if the
    kernel or its settings do not allow it, `UsageError` for a journal that cannot be written.
    """
    from testbed.path_manager import daemon  # its sockets come with much of pyroute2; those who tell it need none

    with _stop_on_signals() as stop, Journal(task.journal, note) as notes:
        counts = daemon.run(task.settings, task.options, notes, stop=stop, ready=lambda: say("ready"))
    say("stopped: " + ", ".join(f"{name} {number}" for name, number in counts.items()))


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[socket.socket]:
    """A socket that is readable from the first signal on that asks for the end."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            with handled(ENDING, lambda _number: None):
                yield reader
        finally:
            signal.set_wakeup_fd(wakeup)
