"""Every claim of the paper can hold, fail, and be left open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from balancer_claim_cases import CASES as OF_BALANCERS
from claim_cases import CASES as OF_THE_FIGURES
from claim_cases import KB, MB
from claim_points import SIZES, page, pages, timeline
from protection_claim_cases import CASES as OF_PROTECTION
from rerouting_claim_cases import CASES as OF_REROUTING
from rival_claim_cases import CASES as OF_RIVALS

from analysis.claims import CLAIMS, Judgement, Verdict, judge
from analysis.claims.evidence import wilson, within
from analysis.claims.model import CannotBeJudged
from analysis.figures.registry import load_registry
from analysis.summary.model import PointSummary

CASES = OF_THE_FIGURES | OF_BALANCERS | OF_PROTECTION | OF_RIVALS | OF_REROUTING


def judgement(points: list[PointSummary], claim_id: str) -> Judgement:
    return next(each for each in judge(points) if each.claim.id == claim_id)


def test_who_reads_why_a_claim_does_not_hold_can_draw_the_figure_that_shows_it() -> None:
    figures = load_registry().figures
    for claim in CLAIMS:
        if reason := claim.known_reason:
            assert reason.figure in figures and reason.command.startswith("testbed run "), claim.id


def test_every_claim_is_tested_here_and_none_twice() -> None:
    assert sorted(claim.id for claim in CLAIMS) == sorted(CASES)


@pytest.mark.parametrize("claim_id", CASES)
def test_a_claim_holds(claim_id: str) -> None:
    found = judgement(CASES[claim_id].holds, claim_id)
    assert found.verdict is Verdict.HOLDS, found.finding.reason
    assert found.finding.checks and all(check.holds for check in found.finding.checks)
    assert found.known_reason == ""


@pytest.mark.parametrize("claim_id", CASES)
def test_a_claim_does_not_hold(claim_id: str) -> None:
    case = CASES[claim_id]
    found = judgement(case.fails, claim_id)
    assert found.verdict is Verdict.FAILS, found.finding.reason
    assert case.fails_by in found.finding.reason
    assert found.known_reason == str(found.claim.known_reason or "")


@pytest.mark.parametrize("claim_id", CASES)
def test_a_claim_cannot_be_judged(claim_id: str) -> None:
    case = CASES[claim_id]
    found = judgement(case.open, claim_id)
    assert found.verdict is Verdict.OPEN, found.finding.reason
    assert case.open_by in found.finding.reason


def test_nothing_can_be_judged_without_points() -> None:
    assert {each.verdict for each in judge([])} == {Verdict.OPEN}


def test_a_claim_says_where_it_stands_how_it_is_measured_and_why_its_tolerance_is_what_it_is() -> None:
    for claim in CLAIMS:
        assert claim.place.startswith("§") and claim.sentence.endswith(".")
        assert claim.quantity and claim.method and len(claim.tolerance) > 20


def test_repeats_are_a_mean_and_a_spread() -> None:
    points = [*pages("11", "mptcp", 780), *pages("11", "mptcp", 820, seed=2)]
    (check,) = judgement(points, "fig11-mptcp-803").finding.checks
    assert str(check.measured) == "800.0 Mbit/s (780.0 to 820.0, 2 seeds)"


def test_the_same_seed_twice_is_no_repeat() -> None:
    points = [*pages("11", "mptcp", 780), *pages("11", "mptcp", 780)]
    (check,) = judgement(points, "fig11-mptcp-803").finding.checks
    assert str(check.measured) == "780.0 Mbit/s (one seed)"


def test_points_of_the_paper_profile_are_preferred() -> None:
    points = [*pages("11", "mptcp", 333), *pages("11", "mptcp", 800, profile="paper")]
    assert judgement(points, "fig11-mptcp-803").verdict is Verdict.HOLDS


def test_points_of_different_settings_are_not_mixed() -> None:
    resend = {**page("11", "mptcp", MB, 1).parameters, "add_addr_resend_ms": 10}
    points = [*pages("11", "mptcp", 800), *pages("11", "mptcp", 800, seed=2, parameters=resend)]
    found = judgement(points, "fig11-mptcp-803")
    assert (found.verdict, found.finding.reason) == (
        Verdict.OPEN,
        "Fig. 11, MPTCP: points of different settings; judge their runs one by one",
    )


def test_a_point_without_the_papers_scheme_does_not_speak_for_it() -> None:
    plain = {**page("7", "mptcp", MB, 1).parameters, "lb_mode": "off"}
    found = judgement(pages("7", "mptcp", 900, parameters=plain), "fig07-wire-speed-from-500-kb")
    assert found.finding.reason.endswith("lb_mode is off, not backup")
    old = pages("7", "mptcp", 900, scheme="", parameters={**plain, "initial_backup": False})
    (other,) = judgement(old, "fig07-wire-speed-from-500-kb").others
    assert (other.label, other.finding.verdict) == ("MPTCP", Verdict.OPEN)
    assert other.measured.endswith("initial_backup is False, not True")


def test_a_claim_is_judged_by_the_papers_scheme_and_others_stand_beside_it() -> None:
    points = [*pages("7", "mptcp", 900), *pages("7", "mptcp", 655, scheme="upstream"), *pages("7", "tcp", 94)]
    found = judgement(points, "fig07-wire-speed-from-500-kb")
    assert (found.verdict, found.label) == (Verdict.HOLDS, "MPTCP, as in the paper")
    (other,) = found.others
    assert (other.label, other.finding.verdict) == ("MPTCP, upstream", Verdict.FAILS)
    assert other.measured.startswith("500 KB: 655.0 Mbit/s (one seed), wanted: at least 877 Mbit/s")
    assert found.known_reason  # somebody reads of a verdict that it does not hold


def test_without_the_papers_scheme_there_is_no_verdict_but_those_of_others() -> None:
    found = judgement(pages("7", "mptcp", 900, scheme="upstream"), "fig07-wire-speed-from-500-kb")
    assert (found.verdict, found.finding.reason, found.label) == (Verdict.OPEN, "no such point: Fig. 7, MPTCP", "")
    assert [(other.label, other.finding.verdict) for other in found.others] == [("MPTCP, upstream", Verdict.HOLDS)]
    assert found.others[0].measured.startswith("500 KB: 900.0 Mbit/s (one seed); 1 MB:")


def test_a_scheme_that_says_nothing_on_a_claim_is_not_beside_it_and_tcp_has_no_schemes() -> None:
    points = [*pages("7", "mptcp", 900), *pages("11", "mptcp", 790, scheme="upstream"), *pages("11", "tcp", 15)]
    assert judgement(points, "fig07-wire-speed-from-500-kb").others == ()
    assert [other.label for other in judgement(points, "fig11-mptcp-803").others] == ["MPTCP, upstream"]
    assert judgement(points, "fig11-tcp-16").others == ()


def test_a_scheme_that_an_option_has_changed_is_not_the_papers() -> None:
    changed = pages("7", "mptcp", 900, scheme="", variant="MPTCP, as in the paper, changed")
    found = judgement(changed, "fig07-wire-speed-from-500-kb")
    assert (found.finding.reason, found.others) == ("no such point: Fig. 7, MPTCP", ())


def test_invalid_points_do_not_speak_where_valid_ones_do() -> None:
    bad = page("11", "mptcp", 10 * MB, 5, seed=2, valid=False, invalid_reasons=("capture drops: 7",))
    found = judgement([*pages("11", "mptcp", 800), bad], "fig11-mptcp-803")
    assert found.verdict is Verdict.HOLDS
    assert [str(check.measured) for check in found.finding.checks] == ["800.0 Mbit/s (one seed)"]


def test_a_plateau_is_taken_from_settled_seconds_only() -> None:
    point = timeline("13")
    series = point.per_second
    assert series is not None
    bits = list(series.utilisation_bps)
    for start in (0, 1, *(int(change.t) + later for change in series.churn for later in (0, 1))):
        if start < len(bits):
            bits[start] = 0
    found = judgement([replace(point, per_second=replace(series, utilisation_bps=tuple(bits)))], "fig13-plateaus")
    assert [str(check.measured) for check in found.finding.checks] == [
        "2860 Mbit/s (one seed)",
        "1910 Mbit/s (one seed)",
    ]


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 27.75), (10, 10, 72.25, 100.0), (5, 10, 23.66, 76.34), (81, 263, 25.53, 36.62)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, trials: int, low: float, high: float) -> None:
    found = wilson(hits, trials)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_no_share_is_not_judged(hits: int, trials: int) -> None:
    with pytest.raises(CannotBeJudged, match=f"{hits} of {trials} is no share"):
        wilson(hits, trials)


def test_a_limit_that_is_not_known_breaks_no_claim() -> None:
    found = judgement(pages("7", "mptcp", 900, wire_limit_bps=None), "fig07-wire-speed-from-500-kb")
    assert found.verdict is Verdict.OPEN
    assert found.finding.reason.startswith("500 KB: the wire limit is not known")


def test_sizes_of_the_made_up_points_are_the_figures() -> None:
    assert SIZES == (10 * KB, 50 * KB, 100 * KB, 500 * KB, MB, 5 * MB, 10 * MB)


@pytest.mark.parametrize(("bound", "holds"), [("above", False), ("below", False), ("low", True), ("high", True)])
def test_a_bound_that_is_to_be_passed_is_not_kept_by_what_only_reaches_it(bound: str, holds: bool) -> None:
    assert within("", {1: 50.0}, "%", "", **{bound: 50.0}).holds is holds
