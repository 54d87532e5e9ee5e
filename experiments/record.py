"""What the agent leaves in a point's raw directory besides captures and ab's output."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import IO, Any


class Events:
    """events.jsonl: what happened when, in seconds since the workload started, on the lab's clock."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._zero = 0.0

    def start(self) -> None:
        """The workload starts now: time zero."""
        self._zero = time.monotonic()
        self._write({"t": 0.0, "event": "workload-started", "epoch_s": time.time()})

    def add(self, event: str, **details: Any) -> None:
        """Note an event now."""
        self._write({"t": round(time.monotonic() - self._zero, 6), "event": event, **details})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def write_json(path: Path, content: object) -> None:
    """Write a JSON file for people and programs."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
