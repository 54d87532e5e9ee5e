"""The least of the things that fail together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.exploration.shrinking import smallest


@given(st.integers(1, 12), st.data())
def test_what_alone_is_needed_is_what_is_left(count: int, data: st.DataObject) -> None:
    needed = set(data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True)))

    def fail(several: Sequence[tuple[int, ...]]) -> list[bool]:
        return [needed <= set(each) for each in several]

    assert set(smallest(range(count), fail)) == needed


def test_none_can_be_left_out_where_any_two_fail() -> None:
    assert len(smallest("abcdefg", lambda several: [len(each) >= 2 for each in several])) == 2


def test_what_does_not_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fail"):
        smallest([1, 2], lambda several: [False for _ in several])
