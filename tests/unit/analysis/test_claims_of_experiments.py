"""What the claims want of a point's settings is what the experiments that come with the toolkit plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.claims import judge
from analysis.claims.model import PAPER
from analysis.summary.model import PointSummary
from experiments import plan
from experiments.plan import Point

# These say more of a point than its settings, and nothing that was planned is measured here.
UNMEASURED = (
    "Fig. 13: the points have no values per second",
    "Fig. 14: the points have no values per second",
    "balancers, server added: no balancer that keeps entries of connections",
    "balancers, nothing happens: no balancer whose servers answer past it",
    "fig03: no routes were recorded",
)


def measured(point: Point) -> PointSummary:
    """A summary with the settings of a point, as if it had gone well."""
    return PointSummary(
        id=point.id, experiment=point.experiment, figure=point.figure, scheme=point.scheme, variant=point.variant,
        condition=point.condition, conditions=point.conditions, protocol=point.protocol, clock=point.clock,
        profile=point.profile, parts=point.names,
        object_bytes=point.object_bytes, seed=point.seed, parameters=point.parameters, valid=True, goodput_bps=9e8,
        wire_limit_bps=point.wire_limit_bps, requests_per_s=100.0, complete_requests=100, failed_requests=0,
        connections=100, joined=100, director_bypass_share=0.95,
    )  # fmt: skip


@pytest.fixture(scope="module")
def points() -> list[PointSummary]:
    """Every point of the shipped experiments, with all of their schemes, three seeds of each."""
    experiments = [plan.load(plan.find(name)) for name in plan.available()]
    planned = [point for each in experiments for point in plan.plan(each, seeds=[1, 2, 3], schemes=["all"])]
    return [measured(point) for point in planned]


def test_no_claim_finds_other_settings_than_the_papers(points: list[PointSummary]) -> None:
    for judgement in judge(points):
        for finding in (judgement.finding, *(other.finding for other in judgement.others)):
            assert "other settings" not in finding.reason, judgement.claim.id
            assert "no such point" not in finding.reason, judgement.claim.id
            assert finding.checks or finding.reason in UNMEASURED or "ablation" in finding.reason, judgement.claim.id


def test_every_scheme_has_a_say_where_schemes_matter(points: list[PointSummary]) -> None:
    for judgement in judge(points):
        labels = [other.label for other in judgement.others]
        assert bool(labels) == judgement.claim.by_scheme, judgement.claim.id
        assert "MPTCP, upstream" in labels or not labels


def test_what_is_called_the_papers_scheme_and_is_not_does_not_speak(points: list[PointSummary]) -> None:
    other = [
        replace(point, parameters={**point.parameters, "lb_mode": "close"}) if point.scheme == PAPER else point
        for point in points
    ]
    found = next(each for each in judge(other) if each.claim.id == "fig07-wire-speed-from-500-kb")
    assert found.finding.reason.endswith("other settings than the paper's: lb_mode is close, not backup")
