"""Places that have one flow between them: neither has what the other has, so that both count.

Enters: packets with the strand, flow and direction that each is of (a strand is a flow as one place saw it), and which
of them count so far. Leaves: which count. The members of a bond, or of equal paths to one machine, carry a flow's
packets in turn; captured by interface, each has a part of them. What a second place on the way saw is the opposite:
the same bytes, though perhaps in packets of other sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.clocks import copies_of
from analysis.pcap import Packets
from analysis.pcap.columns import I64, Bools, Rows

_COPIED = 0.2
"""Share of a strand's payload packets that begin with bytes that others have too; the members of a bond carry what was
sent again on another member, and the rest once."""

_FEWEST = 3
"""Payload packets of a strand that are enough to tell by."""

_AXIS_BITS = 34

_MOST_MEMBERS = 16
"""Places that one flow can be split over: of more, the others are as copies."""


def with_complements(packets: Packets, strand: Rows, uniflow: Rows, kept: Bools) -> Bools:
    """Which packets count, where `kept` are those at one place for each direction (`uniflow`: -1 counts nowhere).

    A strand joins them if its payload, in each direction in which it has any, is not there yet.
    """
    tells = np.flatnonzero((packets.payload_bytes > 0) & (uniflow >= 0))
    if not len(tells) or kept[tells].all():
        return kept
    start = _positions(packets, tells, uniflow)
    tried = np.zeros(int(strand.max()) + 1, np.bool_)
    copies: I64 | None = None
    for _ in range(_MOST_MEMBERS):
        left = ~kept[tells] & ~tried[strand[tells]]
        if not left.any():
            break
        asked = _largest_of_each_flow(strand[tells[left]], uniflow[tells[left]] >> 1)
        tried[asked] = True
        asking = left & np.isin(strand[tells], asked)
        there = kept[tells]
        share = _Share(strand[tells[asking]], uniflow[tells[asking]])
        copied = _covered(start[asking], start[there], packets.payload_bytes[tells[there]])
        meanwhile = _meanwhile(packets.time_ns, tells[asking], tells[there], uniflow)
        if len(found := share.none_copied(copied, meanwhile)):
            copies = copies_of(packets) if copies is None else copies
            kept = kept | np.isin(strand, found) & ~np.isin(copies, copies[kept])
    return kept


@dataclass(frozen=True, eq=False)
class _Share:
    """The strands and uniflows of some packets, to be told what share of a strand's packets something is true of."""

    strand: Rows
    uniflow: Rows

    def none_copied(self, copied: Bools, meanwhile: Bools) -> Rows:
        """The strands that have next to no copies in any direction that tells, and were there at the same time."""
        both = self.strand * 2 + (self.uniflow & 1)
        count = np.bincount(both, minlength=2 * (int(self.strand.max()) + 1))
        copies = np.bincount(both[copied], minlength=len(count))
        aside = np.bincount(both[~meanwhile], minlength=len(count))
        tells = (count >= _FEWEST).reshape(-1, 2)
        fits = ((copies <= _COPIED * count) & (aside * 2 < count)).reshape(-1, 2)
        return np.flatnonzero(tells.any(axis=1) & (fits | ~tells).all(axis=1))


def _positions(packets: Packets, rows: Rows, uniflow: Rows) -> I64:
    """Where each packet's payload begins, on one axis for all uniflows, relative to the first of its own."""
    _, first, number = np.unique(uniflow[rows], return_index=True, return_inverse=True)
    seq = packets.seq[rows]
    ahead = (seq - seq[first][number]).astype(np.int32).astype(np.int64)  # modulo 2 ** 32
    return number.astype(np.int64) << _AXIS_BITS | ahead + (1 << 32)


def _largest_of_each_flow(strand: Rows, flow: Rows) -> Rows:
    """Of each flow the strand with most of these packets."""
    strands, first, count = np.unique(strand, return_index=True, return_counts=True)
    order = np.lexsort((count, flow[first]))
    last = np.append(np.diff(flow[first][order]) != 0, True)
    found: Rows = strands[order[last]]
    return found


def _covered(start: I64, there: I64, length: NDArray[np.int32]) -> Bools:
    """Which of these payloads begin with a byte that others have, which begin `there`."""
    order = np.argsort(there, kind="stable")
    ends = np.maximum.accumulate(there[order] + length[order])
    at = np.searchsorted(there[order], start, side="right") - 1
    return (at >= 0) & (ends[np.maximum(at, 0)] > start)


def _meanwhile(time_ns: I64, rows: Rows, there: Rows, uniflow: Rows) -> Bools:
    """Which of the rows are from between the first and the last of those that are there, of their uniflow."""
    count = int(uniflow.max()) + 1
    first, last = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(first, uniflow[there], time_ns[there])
    np.maximum.at(last, uniflow[there], time_ns[there])
    found: Bools = (time_ns[rows] >= first[uniflow[rows]]) & (time_ns[rows] <= last[uniflow[rows]])
    return found
