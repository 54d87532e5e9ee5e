"""Sequence numbers that go round (RFC 9293 section 3.4) and the ranges of bytes that they make; no loop over packets.

Enters: arrays in runs of equal keys (a uniflow each, say). Leaves: arrays of the same length, or a number per key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.pcap.columns import Bools, Rows

_MOST = np.iinfo(np.int64).max


def run_begins(*keys: NDArray[Any]) -> Bools:
    """Which elements are the first of a run of equal ones; of several keys, equal in each."""
    found = np.zeros(len(keys[0]), np.bool_)
    found[:1] = True
    for key in keys:
        found[1:] |= key[1:] != key[:-1]
    return found


def unwrap(numbers: NDArray[np.uint32], begins: Bools) -> NDArray[np.int64]:
    """32-bit numbers that go round, relative to the first of each run (a run begins where `begins` says)."""
    if not len(numbers):
        return np.empty(0, np.int64)
    step = np.zeros(len(numbers), np.int64)
    step[1:] = (numbers[1:] - numbers[:-1]).astype(np.uint32).view(np.int32)
    step[begins] = 0
    total = np.cumsum(step)
    run = np.cumsum(begins) - 1
    return np.asarray(total - total[begins][run], np.int64)


def running_maximum(values: NDArray[np.int64], begins: Bools) -> NDArray[np.int64]:
    """The greatest of the values so far in each run."""
    if not len(values):
        return values
    run = np.cumsum(begins) - 1
    low = int(values.min())
    span = int(values.max()) - low + 1
    if span * (int(run[-1]) + 1) > _MOST:
        known, place = np.unique(values, return_inverse=True)
        found: NDArray[np.int64] = known[running_maximum(place.astype(np.int64), begins)]
        return found
    offset = run * span - low
    highest: NDArray[np.int64] = np.maximum.accumulate(values + offset) - offset
    return highest


def pair_keys(*pairs: tuple[Rows, NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """A number for each element of (group, value), none negative, in the order of both: as a search wants them."""
    groups, values = (np.concatenate(columns) for columns in zip(*pairs, strict=True))
    if len(values):
        low, high = int(values.min()), int(values.max())
        if (high - low + 1) * (int(groups.max()) + 1) > _MOST:
            values = np.unique(values, return_inverse=True)[1].astype(np.int64)
            low, high = 0, int(values.max())
        values = groups * (high - low + 1) + (values - low)
    return np.split(values, np.cumsum([len(group) for group, _ in pairs])[:-1])


def union_length(group: Rows, start: NDArray[np.int64], length: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """How many numbers the ranges [start, start + length) of each group cover together."""
    order = np.lexsort((start, group))
    group, start, end = group[order], start[order], (start + length)[order]
    begins = run_begins(group)
    high = running_maximum(end, begins)
    before = np.where(begins, start, np.concatenate([start[:1], high[:-1]]))
    fresh = np.maximum(0, end - np.maximum(start, before))
    return np.asarray(np.bincount(group, fresh, minlength=groups), np.int64)
