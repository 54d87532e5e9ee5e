"""The smallest part of a failing case that still fails: delta debugging.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on Software Engineering
28(2), 2002: the algorithm ddmin. All that a round wants to know is asked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

_T = TypeVar("_T")


def smallest(things: Sequence[_T], fail: Callable[[Sequence[tuple[_T, ...]]], Sequence[bool]]) -> tuple[_T, ...]:
    """Of things that fail together, some that still do, and of which none can be left out.

    `fail` says of each of several selections whether it fails; the order of things is kept. Raises ValueError if all
    of them together do not fail.
    """
    current = tuple(things)
    if not fail([current])[0]:
        raise ValueError("it does not fail")
    parts = 2
    while len(current) >= 2:
        pieces = _divided(current, parts)
        rests = [tuple(each for each in current if each not in piece) for piece in pieces]
        tried = [*pieces, *(rests if parts > 2 else [])]
        failing = next((each for each, fails in zip(tried, fail(tried), strict=True) if fails), None)
        if failing is not None:
            parts = 2 if failing in pieces else max(parts - 1, 2)
            current = failing
        elif parts < len(current):
            parts = min(2 * parts, len(current))
        else:
            break
    return current


def _divided(things: tuple[_T, ...], parts: int) -> list[tuple[_T, ...]]:
    ends = [round(n * len(things) / parts) for n in range(parts + 1)]
    return [things[begin:end] for begin, end in pairwise(ends) if begin < end]
