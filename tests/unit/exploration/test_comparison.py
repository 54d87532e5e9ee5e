"""What a fault costs with one kernel or scheme beside another."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.summary.exploration_comparison import compare

ADD_ADDR = "ADD_ADDR 1, server to client, initial subflow"


def row(what: str = ADD_ADDR, fault: str = "lost", **more: Any) -> dict[str, Any]:
    said = {"delay_s": None, "faults": f"5 {fault}", "applied": True, "outcome": "ok", "extra_s": 0.0}
    return {"what": what, "fault": fault, "join": "confirmed", "join_s": 0.1, **said, **more}


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (row(), row(), "the same"),
        (row(), row(extra_s=0.0005), "the same"),
        (row(), row(extra_s=0.5, outcome="slower"), "worse"),
        (row(extra_s=0.5, outcome="slower"), row(), "better"),
        (row(), row(join="none", join_s=None), "worse"),
        (row(), row(join_s=1.1), "worse"),
        (row(outcome="hangs", extra_s=None), row(extra_s=2.0, outcome="slower"), "better"),
    ],
)
def test_a_case_is_better_or_worse_or_the_same(one: dict[str, Any], other: dict[str, Any], verdict: str) -> None:
    (found,) = compare([one], [other])
    assert found["verdict"] == verdict


def test_a_packet_that_only_one_has_is_said_to_be_so() -> None:
    assert [each["verdict"] for each in compare([row()], [row(what="MP_PRIO 1")])] == [
        "only in the first",
        "only in the second",
    ]


def test_delays_are_paired_by_their_place_and_what_was_not_applied_is_left_out() -> None:
    one = [row(fault="delayed", delay_s=each) for each in (0.1, 0.2)]
    other = [row(fault="delayed", delay_s=each, extra_s=each + 1) for each in (0.3, 0.5)]
    found = compare(one, [*other, row(applied=False)])
    assert sorted(each["delay"] for each in found) == [1, 2]
    assert [each["cost_second_s"] for each in found] == [pytest.approx(1.0)] * 2


def test_the_largest_difference_comes_first() -> None:
    one = [row(what="SYN 1"), row(what="ACK 1"), row(what="FIN 1")]
    other = [row(what="SYN 1", extra_s=0.2), row(what="ACK 1"), row(what="FIN 1", extra_s=0.9)]
    assert [each["what"] for each in compare(one, other)] == ["FIN 1", "SYN 1", "ACK 1"]
