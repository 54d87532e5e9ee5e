"""Edges of outcomes along a line of moments."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from experiments.exploration.bisection import Stretch, find, spread, stretches


def outcomes(edges: Sequence[int], count: int) -> list[str]:
    """`ok` up to the first edge, `reset` up to the next, and so on in turns."""
    return [("ok", "reset")[sum(moment >= edge for edge in edges) % 2] for moment in range(count)]


@given(st.integers(2, 3000), st.data())
def test_the_edges_of_a_window_are_found_exactly(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, count - 1))
    truth = outcomes([first, count], count)
    known = find(count, lambda moments: {moment: truth[moment] for moment in moments}, first_tries=16)
    found = stretches(known)
    edge = next((each.first for each in found if each.outcome == "reset"), None)
    assert edge == first
    assert all(truth[moment] == outcome for moment, outcome in known.items())


def test_rounds_are_as_few_as_halving_takes() -> None:
    truth, asked = outcomes([700, 2000], 4096), []

    def attempt(moments: Sequence[int]) -> dict[int, str]:
        asked.append(list(moments))
        return {moment: truth[moment] for moment in moments}

    known = find(4096, attempt, first_tries=17)
    assert stretches(known)[1] == Stretch(700, 1999, "reset")
    assert len(asked) == 1 + 9  # of 511 moments between two tries half are left, nine times
    assert sum(map(len, asked)) <= 17 + 2 * 9


def test_a_moment_that_cannot_be_met_is_asked_for_once() -> None:
    truth, asked = outcomes([50, 101], 101), []

    def attempt(moments: Sequence[int]) -> dict[int, str]:
        asked.extend(moments)
        return {moment + moment % 2: truth[moment + moment % 2] for moment in moments}  # no odd one is ever met

    known = find(101, attempt, first_tries=3)
    assert max(asked.count(each) for each in asked) == 1
    assert stretches(known)[1].first == 50


def test_few_moments_are_all_tried() -> None:
    assert spread(5, 64) == [0, 1, 2, 3, 4]
    assert spread(101, 6) == [0, 1, 2, 3, 51, 100]
    assert find(0, dict.fromkeys) == {}
