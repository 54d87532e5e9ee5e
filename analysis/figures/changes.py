"""How figures over time mark what changed: a line at each change, shade where somebody is gone.

Enters: kinds of events (`testbed.record.events`). Leaves: names for a legend, and looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.figures import style
from testbed.record.events import CHURN, Kind

_Dash = tuple[int, tuple[float, ...]]
_GONE: tuple[Kind, ...] = ("server-removed", "server-crashed", "director-lost", "link-down", "link-silent")
_THERE: Mapping[str, tuple[Kind, ...]] = {
    "server-added": ("server-removed",),
    "server-back": ("server-crashed",),
    "director-back": ("director-lost",),
    "link-up": ("link-down", "link-silent"),
}


@dataclass(frozen=True)
class Mark:
    """How a change is drawn: its name, the colour and the dashes of its line."""

    name: str
    colour: str
    dash: _Dash


def _mark(kind: Kind) -> Mark:
    dashes: dict[str, _Dash] = {
        "server": (0, (5, 2)),
        "director": (0, (8, 2, 2, 2)),
        "path": (0, (3, 2, 1, 2, 1, 2)),
        "link": (0, (6, 1, 1, 1)),
    }
    if kind in _THERE:
        return Mark(kind.replace("-", " "), style.ADDITION_COLOUR, (0, (1, 1.5)))
    colour = style.REMOVAL_COLOUR if kind in _GONE else style.LIMIT_COLOUR
    return Mark(kind.replace("-", " "), colour, dashes[kind.partition("-")[0]])


MARKS: Mapping[str, Mark] = {kind: _mark(kind) for kind in CHURN}
"""The mark of each kind of change."""


def gone(changes: Sequence[tuple[float, str, str]], end: float) -> list[tuple[float, float]]:
    """From when to when each of them was gone, of changes (when, what, who), until `end` at the latest."""
    since: dict[tuple[str, str], float] = {}
    found = []
    for t, kind, who in changes:
        if kind in _GONE:
            since.setdefault((kind, who), t)
            continue
        starts = [since.pop((each, who)) for each in _THERE.get(kind, ()) if (each, who) in since]
        found += [(start, t) for start in starts]
    return found + [(start, end) for start in since.values()]
