"""What happened while the workload ran: `events.jsonl`, a line each, written by the agent as it happens."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from testbed.record import model
from testbed.record.model import EpochSeconds, Moment, Record

FILE = "events.jsonl"


class Event(Record):
    """Something that happened `t` seconds after the workload's start, on the lab's clock.

    `server` came or went, where it is about one; `epoch_s` is that moment as captures have it (of the start only).
    """

    t_s: Moment = Field(alias="t")
    event: str
    server: str = ""
    epoch_s: EpochSeconds | None = None


def read_events(directory: Path) -> tuple[Event, ...]:
    """The events in order of time; raises AnalysisError with the line of a malformed one."""
    return tuple(sorted(model.read_lines(Event, directory / FILE), key=lambda event: event.t_s))
