"""The paper's checkable sentences as executable claims: `judge(points)` gives each of them a verdict.

Enters: the `PointSummary` list of one or several runs. Leaves: one `Judgement` per claim, in the order of the
paper's figures. Nothing here reads a file. A claim says itself how it is measured and what tolerance it has, and why.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.claims import (
    anycast,
    balancers,
    delay_and_loss,
    load_balancer,
    own_addresses,
    protection,
    rivals,
    routed_anycast,
    scheme,
    uploads,
)
from analysis.claims.model import Check, Claim, Estimate, Finding, Judgement, OfScheme, Verdict
from analysis.summary.model import PointSummary

__all__ = ["CLAIMS", "Check", "Claim", "Estimate", "Finding", "Judgement", "OfScheme", "Verdict", "judge"]

CLAIMS: tuple[Claim, ...] = (
    *load_balancer.CLAIMS,
    *delay_and_loss.CLAIMS,
    *anycast.CLAIMS,
    *scheme.CLAIMS,
    *uploads.CLAIMS,
    *balancers.CLAIMS,
    *rivals.CLAIMS,
    *protection.CLAIMS,
    *own_addresses.CLAIMS,
    *routed_anycast.CLAIMS,
)


def judge(points: Sequence[PointSummary]) -> list[Judgement]:
    """The verdict on every claim; one that the points say nothing about is `cannot be judged here`."""
    return [claim.judged(points) for claim in CLAIMS]
