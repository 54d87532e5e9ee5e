"""The worst moment of a change: it slides over the life of one connection, packet by packet, and its edges are found.

A moment is between two packets of the base line. From it the connection goes on as it will; up to it, it is the same.
The base line comes between any two moments and must be the same each time, since a connection that was lost may leave
more behind than others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import ValidationError

from analysis.summary.exploration import BaseLine
from experiments.api.events import Listener, Notice, ignore
from experiments.api.exploration import Row, base_line, require_applied, row_of
from experiments.api.exploring import Explorer, Seen
from experiments.composition import parts_of
from experiments.exploration import bisection
from experiments.exploration.cases import EXPLORED
from experiments.timetables.events import Event
from testbed.base.errors import UsageError
from testbed.record.exploration import Case, Change
from testbed.record.link_states import LinkStates
from testbed.record.point import Point
from testbed.record.pool import Pool

TEXT = "moments.txt"
"""The page that is left of it."""

FIRST_TRIES = 64
LEAST_GAP_S = 2e-6
"""Packets that pass closer to one another are one burst, with no moment in it: a look at the clock is 256 ns."""

_SHARES = (0.5, 0.25, 0.1, 0.75, 0.9)
"""Where between two packets a change is made, in this order until it comes there: the client may be late, or a packet,
by some looks at the clock."""

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

    `first_s` is when the first packet passes, from the connection's start. `base_lines` is how often the connection
    without the change came out the same.
    """

    change: Change
    base: BaseLine
    windows: tuple[Window, ...]
    rows: tuple[Row, ...]
    packets: int
    first_s: float
    base_lines: int = 1

    @property
    def failing(self) -> list[Window]:
        """The windows in which the connection is lost."""
        return [window for window in self.windows if window.outcome in FAILURES]

    def require_applied(self) -> None:
        """Raise `PointsFailed` if more than a hundredth of the moments were not those that were meant."""
        require_applied(self.rows)


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
    if event.kind in ("director-lost", "director-back") and len(layout.directors) < 2:
        raise UsageError(f"{point.id}: there is one director", hint="--set topology.directors=2")
    if event.kind == "path-flipped":
        if len(layout.directors) < 2 and not parts.director.by_order:
            hint = "--set topology.directors=2, or --set director=ecmp"
            raise UsageError(f"{point.id}: there are no equal-cost paths to flip", hint=hint)
        pool = Pool([each.name for each in layout.servers], len(layout.directors))
        if problem := pool.problem("path-flipped", "", 0, about["places"]):
            raise UsageError(f"{point.id}: {problem}")


def slide(explorer: Explorer, event: Event, *, is_said: bool, first_tries: int, listen: Listener = ignore) -> Slid:
    """Slide an event, which `change_of` has made and `require` has let pass, over the connection."""
    seen = explorer.base()
    base = base_line(explorer, seen)
    change = _change(explorer.point, event, seen, is_said=is_said)
    edges = _edges(seen)
    gaps = gaps_between(edges)
    what = f"{change.text}: {len(gaps)} moments in {base.done_s:.6g} s"
    listen(Notice(f"{explorer.point.id}: {what}"))
    rows: dict[int, Row] = {}

    def attempt(some: Sequence[int]) -> Mapping[int, str]:
        wanted = list(some)
        for share in _SHARES:
            cases = {number: _case(change, gaps[number], edges, share) for number in wanted}
            found = explorer.run(list(cases.values()), every=1)
            rows.update(
                {number: _as_planned(row_of(found[case.id], base), gaps[number]) for number, case in cases.items()}
            )
            if not (wanted := [number for number in wanted if not rows[number]["applied"]]):
                break
        return {number: _outcome(rows[number]) for number in some}

    known = bisection.find(len(gaps), attempt, first_tries=first_tries)
    windows = tuple(_window(stretch, gaps, edges, rows) for stretch in bisection.stretches(known))
    tries = tuple(rows[number] for number in sorted(rows))
    return Slid(change, base, windows, tries, len(edges) - 2, edges[1], explorer.base_lines)


def gaps_between(edges: Sequence[float]) -> list[int]:
    """Behind which packets there is a moment: those that another does not follow at once; 0 is before the first."""
    return [number for number, (one, other) in enumerate(pairwise(edges)) if other - one >= LEAST_GAP_S]


def _as_planned(row: Row, packet: int) -> Row:
    """The row; not applied where the change was made behind another packet than `packet`."""
    if row["applied"] and row["after_packet"] != packet:
        why = f"it came behind packet {row['after_packet']}, not {packet}"
        return {**row, "applied": False, "not_applied": why, "finding": ""}
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


def _case(change: Change, packet: int, edges: Sequence[float], share: float) -> Case:
    at_s = round(edges[packet] + share * (edges[packet + 1] - edges[packet]), 9)
    return Case(id=f"{change.event}-after-{packet}", changes=(change.model_copy(update={"at_s": at_s}),))


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


def _window(stretch: bisection.Stretch, gaps: Sequence[int], edges: Sequence[float], rows: Mapping[int, Row]) -> Window:
    mine = [row for number, row in rows.items() if stretch.first <= number <= stretch.last]
    extra = [row["extra_s"] for row in mine if row["extra_s"] is not None]
    first, last = gaps[stretch.first], gaps[stretch.last]
    ends = round(edges[first], 9), round(edges[last + 1], 9)
    return Window(stretch.outcome, first, last, *ends, max(extra, default=None))
