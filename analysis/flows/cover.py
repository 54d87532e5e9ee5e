"""Which packet brought which bytes first, where packets have bytes in common; no loop over packets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.flows.sequence_numbers import run_begins
from analysis.pcap.columns import I64, Bools, Rows


@dataclass(frozen=True, eq=False)
class Cover:
    """Which packet brought which bytes first: pieces of an axis that has all groups one after the other.

    Piece k is from `edges[k]` to `edges[k + 1]`, `arrived[k]` the row of its first packet (`never`: none). `first` is
    each packet's first piece, `base` where each group begins. `piece` and `owner` list every piece of every packet: the
    number of each, in the packets' order.
    """

    edges: I64
    arrived: Rows
    first: Rows
    base: I64
    piece: Rows
    owner: Rows


def cover_of(start: I64, length: I64, begins: Bools, rows: Rows, never: int) -> Cover:
    """The pieces of ranges that are grouped (a group begins where `begins` says), in order of time in each."""
    start, base = on_one_axis(start, length, begins)
    edges = _distinct(np.concatenate([start, start + length]))
    first, last = np.searchsorted(edges, start), np.searchsorted(edges, start + length)
    # Where two packets have bytes in common, each covers several pieces.
    count = last - first
    piece = np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    arrived = np.full(max(len(edges) - 1, 0), never, np.int64)
    arrived[piece[::-1]] = np.repeat(rows, count)[::-1]  # of several assignments to one element the last one stays
    return Cover(edges, arrived, first, base, piece, np.repeat(np.arange(len(rows)), count))


def _distinct(values: I64) -> I64:
    """The values in order, each once: much of them is in order already, which a hash (np.unique) would not use."""
    ordered = np.sort(values, kind="stable")
    return ordered[run_begins(ordered)]


def on_one_axis(start: I64, length: I64, begins: Bools) -> tuple[I64, I64]:
    """The positions of all groups one after the other, with a gap between, and where each group begins."""
    if not len(start):
        return start, np.empty(0, np.int64)
    at = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    lowest = np.minimum.reduceat(start, at)
    size = np.maximum.reduceat(start + length, at) - lowest + 1
    base = np.cumsum(size) - size
    return start - lowest[run] + base[run], base
