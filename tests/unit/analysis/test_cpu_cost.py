"""What counted instructions say on Fig. 6: ratios, the director apart, and verdicts that know spread."""

from __future__ import annotations

import pytest

from analysis.claims import cpu_cost
from analysis.claims.model import Verdict
from testbed.base.errors import AnalysisError
from testbed.record.instructions import Instructions, PointCount

SIZES = (10_000, 50_000, 100_000, 1_000_000)


def cost(*each: float) -> Instructions:
    return Instructions(programs=(100.0,) * len(each), kernel=tuple(one - 100.0 for one in each))


def tcp(size: int = 10_000, *, every: tuple[float, ...] = (1000.0,), ends: tuple[float, ...] = (1000.0,)) -> PointCount:
    return PointCount(
        id=f"fig06-tcp-{size}",
        experiment="fig06",
        protocol="tcp",
        object_bytes=size,
        wire_limit_bps=8e8,
        requests=100,
        cost=cost(*every),
        past_director=cost(*ends),
    )


def mptcp(size: int = 10_000, *every: float, variant: str = "") -> PointCount:
    return PointCount(
        id=f"fig06-{variant}-mptcp-{size}",
        experiment="fig06",
        protocol="mptcp",
        variant=variant,
        object_bytes=size,
        wire_limit_bps=8e8,
        requests=100,
        cost=cost(*(every or (1250.0,))),
    )


def test_what_the_director_does_for_mptcp_is_known_within_bounds() -> None:
    (found,) = cpu_cost.compare([tcp(every=(1200.0,), ends=(1000.0,)), mptcp(10_000, 1500.0)])
    assert found.ratio.value == pytest.approx(1.25)
    assert found.speed.low == pytest.approx(1000 / 1500)
    assert found.speed.high == pytest.approx(1000 / 1300)


def test_the_spread_is_that_of_the_repeats() -> None:
    (found,) = cpu_cost.compare(
        [tcp(every=(1000.0, 1010.0, 990.0), ends=(1000.0,) * 3), mptcp(10_000, 1100, 1120, 1110)]
    )
    assert found.ratio.value == pytest.approx(1110 / 1000)
    assert (found.ratio.low, found.ratio.high) == (pytest.approx(1100 / 1010), pytest.approx(1120 / 990))
    assert (found.speed.low, found.speed.high) == (pytest.approx(1000 / 1120), pytest.approx(1000 / 1100))
    assert found.ratio.basis == "3 repeats"


def test_counts_of_nothing_are_refused() -> None:
    with pytest.raises(AnalysisError, match="nothing was counted"):
        cpu_cost.compare([tcp(every=(0.0,)), mptcp()])
    with pytest.raises(AnalysisError, match="not counted without the director"):
        cpu_cost.compare([tcp().model_copy(update={"past_director": None}), mptcp()])


def test_a_size_without_tcp_is_compared_with_nothing() -> None:
    assert cpu_cost.compare([tcp(10_000), mptcp(50_000)]) == []


@pytest.mark.parametrize(
    ("small", "large", "verdicts"),
    [
        (0.85, 0.97, (Verdict.HOLDS, Verdict.HOLDS)),
        (0.60, 0.97, (Verdict.FAILS, Verdict.HOLDS)),
        (1.10, 0.80, (Verdict.FAILS, Verdict.FAILS)),
    ],
)
def test_both_sentences_are_judged(small: float, large: float, verdicts: tuple[Verdict, Verdict]) -> None:
    points = [tcp(size) for size in SIZES]
    points += [mptcp(size, 1000 / (small if size < 100_000 else large)) for size in SIZES]
    found = cpu_cost.judge(cpu_cost.compare(points))
    assert tuple(each.finding.verdict for each in found) == verdicts


def test_bounds_on_both_sides_decide_nothing() -> None:
    equal = cpu_cost.judge(cpu_cost.compare([tcp(100_000, ends=(1000.0,) * 2), mptcp(100_000, 1040.0, 1070.0)]))[1]
    assert equal.finding.verdict is Verdict.OPEN
    assert "it cannot be told" in equal.finding.reason


def test_each_scheme_has_findings_of_its_own() -> None:
    points = [tcp(), mptcp(variant="paper"), mptcp(variant="upstream")]
    assert [each.label for each in cpu_cost.judge(cpu_cost.compare(points))] == ["paper"] * 2 + ["upstream"] * 2


def test_a_speed_at_which_the_wire_is_the_limit_for_large_pages_alone_gives_the_figure() -> None:
    # The wire has room for 10,000 pages of 10 KB a second, and for 1,000 of 100 KB.
    points = [tcp(10_000, ends=(100_000.0,)), mptcp(10_000, 200_000.0)]
    points += [tcp(100_000, ends=(200_000.0,)), mptcp(100_000, 400_000.0)]
    points = [each.model_copy(update={"cost": each.past_director or each.cost}) for each in points]
    comparisons = cpu_cost.compare(points)
    assert comparisons[0].speeds(1e8) == pytest.approx((0.5, 0.5))
    assert comparisons[0].speeds(1.6e9) == pytest.approx((0.8, 0.8))
    assert comparisons[1].speeds(1e9) == pytest.approx((1.0, 1.0))
    found = cpu_cost.speeds_of_the_figure(comparisons)
    assert found is not None
    least, most = found
    assert 1.5e9 <= least < 1.52e9  # three quarters of what 10,000 pages a second take
    assert 1.98e9 < most <= 2e9  # with more the wire is the limit for small pages, too


def test_without_pages_on_both_sides_of_100_kb_there_is_no_such_speed() -> None:
    assert cpu_cost.speeds_of_the_figure(cpu_cost.compare([tcp(), mptcp()])) is None


def test_a_wire_of_unknown_limit_is_an_error() -> None:
    unknown = [each.model_copy(update={"wire_limit_bps": None}) for each in (tcp(), mptcp())]
    (found,) = cpu_cost.compare(unknown)
    with pytest.raises(AnalysisError, match="the limit of the wire is not known"):
        found.speeds(1e9)
