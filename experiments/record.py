"""What the agent leaves in a point's raw directory besides captures and ab's output."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from testbed.record.events import STARTED, Event
from testbed.record.model import Record


class Events:
    """events.jsonl: what happened when, in seconds since the workload started, on the lab's clock."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._zero = 0.0
        self.started_s = 0.0

    def start(self) -> None:
        """The workload starts now: time zero; `started_s` is that since the epoch."""
        self._zero = time.monotonic()
        self.started_s = time.time()
        self._write(Event(t=0.0, event=STARTED, epoch_s=self.started_s))

    def add(self, event: str, **about: str | int | None) -> None:
        """Note an event now, and whom it is about, if anybody (`testbed.record.events`)."""
        t_s = round(time.monotonic() - self._zero, 6)
        said = {name: value for name, value in about.items() if value}
        self._write(Event.model_validate({"t": t_s, "event": event, **said}))

    def _write(self, event: Event) -> None:
        self._file.write(event.line())
        self._file.flush()


def write(path: Path, record: Record) -> None:
    """Write the file of a record, for people and programs."""
    _write(path, record.fields())


def write_list(path: Path, records: Sequence[Record]) -> None:
    """Write a file that is a list of records."""
    _write(path, [record.fields() for record in records])


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
