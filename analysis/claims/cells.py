"""The cells of an experiment whose conditions have two axes: a balancer, and what happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.claims.evidence import share, speaking
from analysis.claims.model import Check
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
    found: Cells = {}
    for point in speaking(mine, f"{experiment}, {event}, {variant}", settings):
        found.setdefault(point.conditions["balancer"], []).append(point)
    return found


def changes_in(point: PointSummary) -> tuple[ServerChange, ...]:
    """What its changes broke; nothing where that was not measured."""
    return point.balancing.changes if point.balancing else ()


def joined_and_broken(label: str, points: Points) -> Check:
    """Of the connections that had a confirmed second subflow, those that a change broke: none."""
    joined = sum(point.balancing.joined or 0 for point in points if point.balancing)
    lost = sum(change.broken_joined for point in points for change in changes_in(point))
    why = "no connection had a confirmed second subflow"
    return share(label, lost, joined, bound="none", holds=lost == 0, why=why)
