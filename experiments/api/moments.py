"""The worst moment of a change: it slides over the life of one connection, packet by packet, and its edges are found.

A moment is between two packets of the base line. From it the connection goes on as it will; up to it, it is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import ValidationError

from analysis.summary.exploration import BaseLine
from experiments.api.events import Listener, Notice, ignore
from experiments.api.exploration import Row, base_line, row_of
from experiments.api.exploring import Explorer, Seen
from experiments.composition import parts_of
from experiments.exploration import bisection
from experiments.exploration.cases import EXPLORED
from experiments.timetables.events import Event
from testbed.base.errors import UsageError
from testbed.record.exploration import Case, Change
from testbed.record.link_states import LinkStates
from testbed.record.point import Point

FIRST_TRIES = 64
FAILURES = ("reset", "error", "hangs", "damaged")
"""Outcomes of a connection that was lost."""

_UNDONE = "it cannot be taken back between two cases"
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Window:
    """Moments in a row with one outcome: after which packet the first and the last of them are, and when.

    `from_s` and `to_s` are when these packets, and the one behind the last, passed, from the connection's start;
    `slowest_s` is the most that a connection took longer.
    """

    outcome: str
    first: int
    last: int
    from_s: float
    to_s: float
    slowest_s: float | None


@dataclass(frozen=True)
class Slid:
    """A change that was slid over a connection: its windows, and the rows of what was tried, in order of time.

    `first_s` is when the first packet passes, from the connection's start.
    """

    change: Change
    base: BaseLine
    windows: tuple[Window, ...]
    rows: tuple[Row, ...]
    packets: int
    first_s: float

    @property
    def failing(self) -> list[Window]:
        """The windows in which the connection is lost."""
        return [window for window in self.windows if window.outcome in FAILURES]


def change_of(text: str) -> tuple[Event, bool]:
    """The change that `remove`, `remove:2`, `flip:1` means, and whether it said about whom; raises `UsageError`."""
    key, colon, whom = text.partition(":")
    keys = [name for name in Event.model_fields if name not in ("at_s", "direction", "cost")]
    if key not in keys:
        raise UsageError(f"--moment {text}: no such event", hint=f"{', '.join(keys)}; of somebody: remove:2")
    of_link = key.startswith("link_")
    if of_link and not whom:
        raise UsageError(f"--moment {text}: which link?", hint=f"{key}:r1-r2")
    try:
        event = Event.model_validate({"at": "0 s", key: whom if of_link else _number(whom) if colon else 1})
    except ValidationError as error:
        if key == "link_cost":
            raise UsageError(f"--moment {text}: {_UNDONE}") from error
        what = "the name of a link, such as r1-r2" if of_link else "a number of one, from 1"
        raise UsageError(f"--moment {text}: {whom!r} is not {what}") from error
    if event.kind not in EXPLORED:
        raise UsageError(f"--moment {text}: {_UNDONE}")
    return event, bool(colon)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def require(point: Point, event: Event) -> None:
    """Raise `UsageError` where there is nobody to whom it can happen."""
    parts = parts_of(point)
    layout = parts.topology.layout()
    about = event.about()
    if parts.director.cannot(event.kind):
        raise UsageError(f"{point.id}: with its director there is no {event.kind}")
    for what, there_are in (("server", len(layout.servers)), ("director", len(layout.directors))):
        if about.get(what, 0) > there_are:
            raise UsageError(
                f"{point.id}: there is no {what} {about[what]}", hint=f"they are numbered 1 to {there_are}"
            )
    if "link" in about and (problem := LinkStates([link.name for link in layout.routed]).no_such(about["link"])):
        raise UsageError(f"{point.id}: {problem}")
    if event.kind in ("server-removed", "server-drained") and len(layout.servers) < 2:
        hint = "--set topology.servers=3"
        raise UsageError(f"{point.id}: a pool of one server, which cannot do without it", hint=hint)
    if event.kind.startswith("director-") and len(layout.directors) < 2:
        raise UsageError(f"{point.id}: there is one director", hint="--set topology.directors=2")


def slide(explorer: Explorer, text: str, *, first_tries: int = FIRST_TRIES, listen: Listener = ignore) -> Slid:
    """Slide an event over the connection; raises `UsageError`."""
    event, is_said = change_of(text)
    require(explorer.point, event)
    seen = explorer.base()
    base = base_line(explorer, seen)
    change = _change(explorer.point, event, seen, is_said=is_said)
    edges = _edges(seen)
    moments = [round((one + other) / 2, 9) for one, other in pairwise(edges)]
    what = f"{change.text}: {len(moments)} moments in {base.done_s:.6g} s"
    listen(Notice(f"{explorer.point.id}: {what}"))
    rows: dict[int, Row] = {}

    def attempt(some: Sequence[int]) -> Mapping[int, str]:
        cases = {_case(change, number, moments[number]).id: number for number in some}
        found = explorer.run([_case(change, number, moments[number]) for number in some])
        tried = {}
        for name, each in found.items():
            row = _of_the_same_server(row_of(each, base), each, seen)
            # A packet more or less may have passed by then: looks at the clock take virtual time.
            number = row["after_packet"] if row["applied"] else cases[name]
            tried[min(number, len(moments) - 1)] = row
        rows.update(tried)
        return {number: _outcome(row) for number, row in tried.items()}

    known = bisection.find(len(moments), attempt, first_tries=first_tries)
    windows = tuple(_window(stretch, edges, rows) for stretch in bisection.stretches(known))
    return Slid(change, base, windows, tuple(rows[number] for number in sorted(rows)), len(moments) - 1, edges[1])


def _of_the_same_server(row: Row, found: Seen, base: Seen) -> Row:
    """The row; not applied where the connection had come to another server than the base line's before the change."""
    (mine, its) = ({name for name, counts in each.outcome.counters.items() if counts.get("TcpPassiveOpens")}
                   for each in (base, found))  # fmt: skip
    if row["applied"] and row["after_packet"] and its and its != mine:
        return {**row, "applied": False, "not_applied": f"it came to {', '.join(sorted(its))}"}
    return row


def _outcome(row: Row) -> str:
    if row["applied"]:
        return str(row["outcome"])
    return "after the end" if row["after_packet"] is None else "not applied"


def _edges(seen: Seen) -> list[float]:
    """When the connection starts, when each packet passes, and when the client has the end, in seconds from the start.

    Moment number n lies between the edges n and n + 1, and so behind packet n.
    """
    outcome = seen.outcome
    assert outcome.done_s is not None
    times = [one.time_ns / 1e9 - outcome.began_s for one in outcome.passages() if one.number]
    return [0.0, *(each for each in times if each < outcome.done_s), outcome.done_s]


def _case(change: Change, number: int, at_s: float) -> Case:
    return Case(id=f"{change.event}-after-{number}", changes=(change.model_copy(update={"at_s": at_s}),))


def _change(point: Point, event: Event, seen: Seen, *, is_said: bool) -> Change:
    """The event as a change; of a server that was not named it is the one that the connection came to."""
    about = {name: value for name, value in event.about().items() if value}
    if "server" in about:
        names = [place.name for place in parts_of(point).topology.layout().servers]
        about["server"] = names[about["server"] - 1] if is_said else _serving(seen, names)
    return Change.model_validate({"event": event.kind, "at_s": 0.0, **about})


def _serving(seen: Seen, names: Sequence[str]) -> str:
    """The server that the connection came to: whose kernel has accepted it."""
    counters = seen.outcome.counters
    return max(names, key=lambda name: counters.get(name, {}).get("TcpPassiveOpens", 0))


def _window(stretch: bisection.Stretch, edges: Sequence[float], rows: Mapping[int, Row]) -> Window:
    mine = [row for number, row in rows.items() if stretch.first <= number <= stretch.last]
    extra = [row["extra_s"] for row in mine if row["extra_s"] is not None]
    ends = round(edges[stretch.first], 9), round(edges[stretch.last + 1], 9)
    return Window(stretch.outcome, stretch.first, stretch.last, *ends, max(extra, default=None))
