"""The daemon's life: from a task, which one line of JSON can carry, to the signal that ends it.

`python -m testbed.path_manager JSON [JSON]` is how a point starts it on a server; people have `testbed path-manager`.
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
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from testbed.base.errors import UsageError
from testbed.path_manager.figure4 import Settings
from testbed.path_manager.journal import Journal
from testbed.path_manager.options import Options, OwnAddresses
from testbed.signals import ENDING, handled

Say = Callable[[str], None]
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Task:
    """What a daemon is to do: its settings, how it works, and the file that gets its journal, if any."""

    settings: Settings
    options: Options = field(default_factory=Options)
    journal: Path | None = None

    def argv(self, own_addresses: OwnAddresses | None = None) -> list[str]:
        """The command line of a process that does it; with `own_addresses` each connection is announced another one."""
        found = [sys.executable, "-m", "testbed.path_manager", _adapter(Task).dump_json(self).decode()]
        # Apart from the task: to compile what nobody asks for takes locks, and so time of the lab's clock.
        return [*found, _adapter(OwnAddresses).dump_json(own_addresses).decode()] if own_addresses else found


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read(kind: Callable[..., _Kind], text: str) -> _Kind:
    """The task, or the addresses, that `Task.argv` wrote; raises `UsageError` for anything else."""
    try:
        found: _Kind = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise UsageError(f"not a task for the path manager: {error.errors()[0]['msg']}") from error
    return found


def serve(task: Task, say: Say, own_addresses: OwnAddresses | None = None, *, note: Say | None = None) -> None:
    """Do the task until SIGTERM, SIGINT or SIGHUP; `say` hears "ready", and in the end what was done.

    `note` gets each line of the journal; one that raises OSError hears no more. Raises `PrerequisiteError` if the
    kernel or its settings do not allow it, `UsageError` for a journal that cannot be written.
    """
    from testbed.path_manager import daemon  # its sockets come with much of pyroute2; those who tell it need none

    with _stop_on_signals() as stop, Journal(task.journal, note) as notes:
        doing = task.settings, task.options, notes, own_addresses
        counts = daemon.run(*doing, stop=stop, ready=lambda: say("ready"))
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
