"""What happened while the workload ran: `events.jsonl`, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.record import fields, reading


@dataclass(frozen=True)
class Event:
    """Something that happened `t` seconds after the workload's start (`events.jsonl`)."""

    t: float
    event: str
    server: str = ""
    epoch_s: float | None = None


def read_events(directory: Path) -> tuple[Event, ...]:
    """The events in order of time; raises AnalysisError with the line of a malformed one."""
    path = directory / "events.jsonl"
    events = []
    for name, raw in reading.read_lines(path):
        epoch_s = None if raw.get("epoch_s") is None else fields.get(raw, "epoch_s", float, name)
        t_s = fields.get(raw, "t", float, name)
        events.append(Event(t_s, fields.get(raw, "event", str, name), str(raw.get("server") or ""), epoch_s))
    return tuple(sorted(events, key=lambda event: event.t))
