"""How long a step of a figure over time is: a second, or more where a capture spans hours, or its clock years."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from analysis.figures.selection import Numbers, numbers

MOST_STEPS = 3600
"""More steps than this are wider than a second: nobody could tell them apart, and there is no end to them."""

_UNITS = ((31_556_952, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def step_s(seconds: int) -> int:
    """The whole seconds of one step, for a figure of so many seconds."""
    return max(1, math.ceil(seconds / MOST_STEPS))


def per_step(table: pa.Table, column: str, seconds: int, step: int) -> Numbers:
    """A column of the table `seconds`, summed up by steps of the first `seconds` seconds; those without a row are 0."""
    second = numbers(table, "second").astype(np.int64)
    inside = second < seconds
    weights = numbers(table, column)[inside]
    return np.bincount(second[inside] // step, weights, math.ceil(seconds / step)).astype(np.float64)


def in_words(step: int) -> str:
    """A step in its largest unit."""
    size, unit = next(each for each in _UNITS if step >= each[0])
    return f"{step / size:.3g} {unit}"
