"""Where an outcome changes along a line of moments: some of them are tried, then more around each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Try = Callable[[Sequence[int]], Mapping[int, str]]
"""What each of these moments comes to."""


@dataclass(frozen=True)
class Stretch:
    """Moments in a row with one outcome, the first and the last of them."""

    first: int
    last: int
    outcome: str


def spread(count: int, first_tries: int) -> list[int]:
    """The moments to begin with: one by one at first, where a connection is made, and others evenly up to the last.

    All where they are few; half of `first_tries` are one by one.
    """
    if count <= first_tries:
        return list(range(count))
    singly = first_tries // 2
    evenly = first_tries - singly
    rest = count - 1 - singly
    return [*range(singly), *(singly + round(n * rest / max(evenly - 1, 1)) for n in range(evenly))]


def between(known: Mapping[int, str]) -> list[int]:
    """The moments to try next: those in the middle between two neighbours with different outcomes."""
    return [
        (one + other) // 2 for one, other in pairwise(sorted(known)) if known[one] != known[other] and other - one > 1
    ]


def find(count: int, attempt: Try, *, first_tries: int = 64) -> dict[int, str]:
    """The outcome of moments 0 to `count` - 1, so many of them that each change that was met is between neighbours.

    Each round is one call of `attempt`, which says what came at which moment, be it another than was asked for: none is
    asked for twice. What begins and ends between two of the first tries is not found.
    """
    known: dict[int, str] = {}
    asked: set[int] = set()
    wanted = spread(count, first_tries)
    while wanted:
        asked.update(wanted)
        known |= attempt(wanted)
        wanted = [moment for moment in between(known) if moment not in asked]
    return known


def stretches(known: Mapping[int, str]) -> list[Stretch]:
    """The known moments as stretches of one outcome each, in order."""
    found: list[Stretch] = []
    for moment in sorted(known):
        if found and found[-1].outcome == known[moment]:
            found[-1] = Stretch(found[-1].first, moment, known[moment])
        else:
            found.append(Stretch(moment, moment, known[moment]))
    return found
