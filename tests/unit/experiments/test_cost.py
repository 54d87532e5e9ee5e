"""What a point costs: an estimate, and the limits past which it must be stuck."""

from __future__ import annotations

import pytest

from experiments import plan
from testbed.record.point import Point

PAGE_LOADS = [f"fig{number:02}" for number in range(6, 12)]


def only(name: str, *overrides: str) -> Point:
    sizes = ["workload.sizes=1000KB"] if int(name) < 12 else []
    (point,) = plan.plan(plan.load(plan.find(name)), overrides=[*sizes, *overrides])
    return point


def test_an_estimate_is_set_up_connections_and_bytes() -> None:
    # 100 pages of 1000 KB are 0.1 GB
    assert plan.estimate(only("7", "protocols=tcp")) == pytest.approx(2 + 100 * 0.00055 + 0.1 * 7)
    assert plan.estimate(only("7", "protocols=mptcp")) == pytest.approx(2 + 100 * 0.00075 + 0.1 * 7)
    assert plan.estimate(only("10", "protocols=mptcp")) == pytest.approx(2 + 100 * 0.00075 + 0.1 * 30)


def test_an_anycast_estimate_follows_the_virtual_seconds_and_the_rate() -> None:
    small = "workload.large_reads=false"
    assert plan.estimate(only("13", small)) == pytest.approx(2 + 120 * 2.7)
    assert plan.estimate(only("14", small)) == pytest.approx(2 + 120 * 4.1)
    assert plan.estimate(only("14", small, "topology.client_rate=1500 Mbit/s")) == pytest.approx(2 + 60 * 4.1)


def test_large_reads_more_than_halve_an_anycast_estimate() -> None:
    for name in ("13", "14"):
        assert plan.estimate(only(name)) < plan.estimate(only(name, "workload.large_reads=false")) / 2


def test_real_time_takes_as_long_as_the_transfer() -> None:
    slow = ["protocols=tcp", "topology.client_director.rate=1 Mbit/s"]
    assert plan.estimate(only("7", "clocks=real", *slow)) > 2 + 800  # 100 MB at 1 Mbit/s
    assert plan.estimate(only("7", *slow)) < 10


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize("name", [*PAGE_LOADS, "fig13", "fig14", "upload"])
def test_limits_are_well_above_what_a_point_takes(name: str, profile: str) -> None:
    for point in plan.plan(plan.load(plan.find(name)), profile):
        bytes_s = 0.0
        if "requests" in point.parameters:
            bytes_s = (
                point.parameters["requests"] * point.object_bytes * 8 / point.parameters["client_director_rate_bps"]
            )
        assert plan.transfer_s(point) >= bytes_s
        assert plan.virtual_limit_s(point) >= 60 + 5 * plan.transfer_s(point)
        assert plan.wall_limit_s(point) == 120 + 10 * plan.estimate(point)


def test_loss_and_delay_lengthen_the_expected_transfer() -> None:
    expected = [plan.transfer_s(only(name, "protocols=tcp")) for name in ("7", "8", "10", "9", "11")]
    assert expected == sorted(expected)
    # ten connections of 1.22 MSS / (200 ms x 0.1) share 100 MB: that is 113 s;
    # handshake and slow start in each of ten batches make the rest
    assert 113 < expected[-1] < 135


def test_the_quick_page_load_figures_fit_into_ten_minutes_on_two_cores() -> None:
    wall_s = sum(plan.estimate(point) for name in PAGE_LOADS for point in plan.plan(plan.load(plan.find(name))))
    assert wall_s / 2 < 600
