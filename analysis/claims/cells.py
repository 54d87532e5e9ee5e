"""The cells of an experiment whose conditions have two axes: a balancer, and what happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.claims.evidence import valid_of
from analysis.claims.model import CannotBeJudged, NoSuchPoint
from analysis.summary.model import PointSummary, ServerChange

TCP, SCHEME = "TCP", "MPTCP, as in the paper"
"""The arms that claims compare, as experiments call them."""

Points = Sequence[PointSummary]
Cells = dict[str, list[PointSummary]]


def cells(points: Points, experiment: str, settings: Mapping[str, object], event: str, variant: str) -> Cells:
    """The valid points of an event and an arm, by balancer; raises CannotBeJudged where there are none.

    `settings` are parameters that they must have.
    """
    mine = [
        point
        for point in points
        if (point.experiment, point.variant, point.clock) == (experiment, variant, "virtual")
        and point.conditions.get("event") == event
    ]
    if not mine:
        raise NoSuchPoint(f"no such point: {experiment}, {event}, {variant}")
    right = [point for point in mine if all(point.parameters.get(name) == each for name, each in settings.items())]
    if not right:
        raise CannotBeJudged(f"{experiment}, {event}: other settings than the experiment's")
    found: Cells = {}
    for point in valid_of(right, f"{experiment}, {event}, {variant}"):
        found.setdefault(point.conditions["balancer"], []).append(point)
    return found


def changes_in(point: PointSummary) -> tuple[ServerChange, ...]:
    """What its changes broke; nothing where that was not measured."""
    return point.balancing.changes if point.balancing else ()
