"""What happened while the workload ran: `events.jsonl`, a line each, written by the agent as it happens.

Beside the workload's start and end these are changes: of the servers' pool, of servers and directors themselves, of the
paths that a router takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from testbed.record import model
from testbed.record.model import Count, EpochSeconds, Moment, Record

FILE = "events.jsonl"
STARTED, ENDED = "workload-started", "workload-ended"

Kind = Literal[
    "server-removed",
    "server-added",
    "server-drained",
    "server-crashed",
    "server-back",
    "director-lost",
    "director-back",
    "director-restarted",
    "path-flipped",
    "link-down",
    "link-silent",
    "link-up",
    "link-cost",
]
"""A change: a server is taken out of the pool, or put into it; gets no new connections, and keeps those that it has
(drained); loses its power (crashed), or has it again, with nothing of what it knew (back). A director loses its power,
or has it again; or it starts again, with nothing of what it knew, on a node that has power all the time. A router's
flows come by other ones of its equal-cost paths. A link between routers loses its carrier (down), or all packets, with
its carrier there (silent); it is as it was (up); it has another cost in routing."""

CHURN: tuple[Kind, ...] = get_args(Kind)
"""All of them."""


class Event(Record):
    """Something that happened `t_s` seconds after the workload's start, on the lab's clock.

    `server`, `director` or `link` is whom it happened to, where it is about one; a silent link is so in one `direction`
    if that is said, and `cost` is the link's new one. `by` is a director whose health check it was
    that took the server out of its own pool, or put it back; empty: the timetable did, at all directors.
    `epoch_s` is that moment as captures have it (of the start only).
    """

    t_s: Annotated[Moment, Field(ge=0)] = Field(alias="t")
    event: str
    server: str = ""
    director: str = ""
    by: str = ""
    link: str = ""
    direction: str = ""
    cost: Count | None = None
    epoch_s: EpochSeconds | None = None

    @property
    def whom(self) -> str:
        """The server, the director or the link that it is about; empty for none."""
        return self.server or self.director or self.link


def in_words(event: str, whom: str = "", by: str = "") -> str:
    """An event in words: `server s1 removed`, or `server s1 removed (by d2)`."""
    what, _, happened = event.partition("-")
    return " ".join(filter(None, (what, whom, happened.replace("-", " "), f"(by {by})" if by else "")))


def changes(events: Iterable[Event]) -> list[Event]:
    """The changes of servers, directors, paths and links among the events."""
    return [each for each in events if each.event in CHURN]


def read_events(directory: Path) -> tuple[Event, ...]:
    """The events in order of time; raises AnalysisError with the line of a malformed one."""
    return tuple(sorted(model.read_lines(Event, directory / FILE), key=lambda event: event.t_s))
