"""Running maxima and keys of uniflows: right however many there are, and however far their numbers go."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.flows.sequence_numbers import pair_keys, running_maximum


def naive_maximum(values: list[int], begins: list[bool]) -> list[int]:
    found: list[int] = []
    for value, begin in zip(values, begins, strict=True):
        found.append(value if begin else max(value, found[-1]))
    return found


@pytest.mark.parametrize("scale", [1, 1 << 40, 1 << 61])
def test_running_maxima_are_of_each_run_alone(scale: int) -> None:
    values = [scale * each for each in (0, -1, 1, -2, -1, 1, 0, -2)]
    begins = [True, False, False, True, False, True, False, True]
    found = running_maximum(np.array(values, np.int64), np.array(begins))
    assert found.tolist() == naive_maximum(values, begins)


def test_running_maxima_of_more_runs_than_a_flood_has() -> None:
    count = (1 << 22) + 3
    values = np.full(count, 7, np.int64)
    values[1] = 1 << 41
    assert (running_maximum(values, np.ones(count, np.bool_)) == values).all()


def test_there_may_be_no_numbers_at_all() -> None:
    nothing = np.empty(0, np.int64)
    assert running_maximum(nothing, np.empty(0, np.bool_)).tolist() == []
    assert [each.tolist() for each in pair_keys((nothing, nothing), (nothing, nothing))] == [[], []]


@pytest.mark.parametrize("scale", [1, 1 << 40, 1 << 61])
@pytest.mark.parametrize("groups", [1, 1 << 22])
def test_keys_are_in_the_order_of_group_and_value(scale: int, groups: int) -> None:
    draw = np.random.default_rng(1)
    pairs = [(draw.integers(0, groups, size) + groups - 1, scale * draw.integers(-2, 2, size)) for size in (40, 0, 25)]
    keys = pair_keys(*pairs)
    assert [len(each) for each in keys] == [40, 0, 25]
    tuples = [pair for group, value in pairs for pair in zip(group.tolist(), value.tolist(), strict=True)]
    numbers = [key for each in keys for key in each.tolist()]
    assert min(numbers) >= 0
    by_key = sorted(zip(numbers, tuples, strict=True))
    assert [pair for _, pair in by_key] == sorted(tuples)
    assert len(set(numbers)) == len(set(tuples))
