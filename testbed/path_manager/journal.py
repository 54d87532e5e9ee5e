"""The daemon's journal: a line per event and per command, for people, or as JSON for programs.

No trouble with a journal ends the daemon: connections matter more. A line that cannot be written ends
that journal, and is counted.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from testbed.base.errors import UsageError
from testbed.net.mptcp_pm.events import Event

Say = Callable[[str], None]


class Journal:
    """Writes to a JSON-lines file, or says lines, or both, or nothing; a context manager.

    Each line has `epoch_s`, the time as captures have it. `lost` counts lines that could not be written.
    """

    def __init__(self, file: Path | None, say: Say | None) -> None:
        self.lost = 0
        self._say = say
        self._file: IO[str] | None = None
        if file is not None:
            try:
                self._file = file.open("a", encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{file}: {error.strerror}") from error

    def event(self, event: Event | int) -> None:
        """Note an event, or the number of one of an unknown type."""
        if self._file is None and self._say is None:
            return
        if isinstance(event, int):
            self.note("unknown-event", number=event)
            return
        fields = {name: value for name, value in vars(event).items() if name != "type" and value}
        self.note(event.type.name.lower().replace("_", "-"), **fields)

    def note(self, what: str, **fields: Any) -> None:
        """Note anything else."""
        line = {"epoch_s": round(time.time(), 6), "what": what, **{name: _plain(v) for name, v in fields.items()}}
        if "token" in line:
            line["token"] = f"{line['token']:08x}"
        try:
            if self._file is not None:
                self._file.write(json.dumps(line) + "\n")
        except OSError:
            self._lose_file()
        try:
            if self._say is not None:
                self._say(in_words(line))
        except OSError:
            self._say = None
            self.lost += 1

    def flush(self) -> None:
        """Let a reader see what was noted so far."""
        try:
            if self._file is not None:
                self._file.flush()
        except OSError:
            self._lose_file()

    def _lose_file(self) -> None:
        file, self._file = self._file, None
        self.lost += 1
        if file is not None:
            # What it holds fails once more; from Python 3.13 on a file that nobody closes says so with a traceback.
            with contextlib.suppress(OSError):
                file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()


def in_words(line: Mapping[str, Any]) -> str:
    """A line for people: `1507593600.250000 announce token=0badcafe result=ok`."""
    rest = " ".join(f"{name}={value}" for name, value in line.items() if name not in ("epoch_s", "what"))
    return f"{line['epoch_s']:.6f} {line['what']} {rest}".rstrip()


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | list | dict) else str(value)
