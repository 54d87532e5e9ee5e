"""Elements of columns by group: their numbers, the first and the last of each; no loop over elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.pcap.columns import Bools, Rows


def numbers(values: NDArray[Any]) -> tuple[Rows, int]:
    """Each value's number in order of first appearance, and how many there are."""
    encoded = pa.array(values).dictionary_encode()
    return np.asarray(encoded.indices).astype(np.int64), len(encoded.dictionary)


def first_rows(rows: Rows, group: Rows, groups: int) -> Rows:
    """The first of the ascending `rows` in each group, -1 where there is none; rows of group -1 do not count."""
    first = np.full(groups, -1, np.int64)
    known = group >= 0
    first[group[known][::-1]] = rows[known][::-1]  # of several assignments to one element the last one stays
    return first


def last_rows(rows: Rows, group: Rows, groups: int) -> Rows:
    """The last of the ascending `rows` in each group, -1 where there is none; rows of group -1 do not count."""
    last = np.full(groups, -1, np.int64)
    known = group >= 0
    last[group[known]] = rows[known]
    return last


def came_before(keys: NDArray[Any]) -> Bools:
    """Which elements have a key that one before them has."""
    found = np.ones(len(keys), np.bool_)
    found[np.unique(keys, return_index=True)[1]] = False
    return found
