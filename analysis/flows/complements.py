"""Places that have one flow between them: neither has what the other has, so that both count.

Enters: packets with the strand, flow and direction that each is of (a strand is a flow as one place saw it), and which
of them count so far. Leaves: which count, and how many bytes do not. The members of a bond, or of equal paths to one
machine, carry a flow's packets in turn, or one after the other when a link fails or a route changes; captured by
interface, each has a part of them. What a second place on the way saw is the opposite: the same bytes, though perhaps
in packets of other sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.clocks import copies_of
from analysis.flows.cover import on_one_axis
from analysis.flows.sequence_numbers import run_begins, union_length, unwrap
from analysis.pcap import Packets
from analysis.pcap.columns import I64, Bools, Rows

_COPIED = 0.2
"""Share of a strand's payload packets that begin with bytes that others have too; the members of a bond carry what was
sent again on another member, and the rest once."""

_FEWEST = 3
"""Payload packets of a strand that are enough to tell by. Fewer tell if they came as far as those that count."""

_TTL_BITS = 8

_MOST_MEMBERS = 16
"""Places that one flow can be split over: of more, the others are as copies."""


def with_complements(packets: Packets, strand: Rows, uniflow: Rows, kept: Bools) -> Bools:
    """Which packets count, where `kept` are those at one place for each direction.

    A strand joins them if its payload, in each direction in which it has any, is not there yet; one that has no payload
    beside what counts, if its packets are not.
    """
    loaded = packets.payload_bytes > 0
    silent = np.bincount(strand[loaded & ~kept], minlength=int(strand.max(initial=-1)) + 1) == 0
    tells = np.flatnonzero(loaded | silent[strand])
    if kept[tells].all():
        return kept
    start = _positions(packets, tells, uniflow)
    tried = np.zeros(len(silent), np.bool_)
    copies: I64 | None = None
    for _ in range(_MOST_MEMBERS):
        left = ~kept[tells] & ~tried[strand[tells]]
        if not left.any():
            break
        asked = _largest_of_each_flow(strand[tells[left]], uniflow[tells[left]] >> 1)
        tried[asked] = True
        asking = left & np.isin(strand[tells], asked)
        rows, there = tells[asking], kept[tells]
        copied = _covered(start[asking], start[there], packets.payload_bytes[tells[there]])
        if (mute := silent[strand[rows]]).any():
            copies = copies_of(packets, uniflow) if copies is None else copies
            copied[mute] = np.isin(copies[rows[mute]], copies[kept])
        shares = _Shares(strand[rows], uniflow[rows], _came_as_far(packets, rows, uniflow, kept))
        if len(found := shares.none_copied(copied, silent)):
            copies = copies_of(packets, uniflow) if copies is None else copies
            kept = kept | np.isin(strand, found) & ~np.isin(copies, copies[kept])
    return kept


def uncounted_bytes(packets: Packets, uniflow: Rows, kept: Bools | None, flows: int) -> Rows:
    """Per flow the payload bytes that places have, but none of the packets that count (None: all of them do)."""
    rows = np.flatnonzero(packets.payload_bytes > 0)
    if kept is None or kept[rows].all():
        return np.zeros(flows, np.int64)
    start, length = _positions(packets, rows, uniflow), packets.payload_bytes[rows].astype(np.int64)
    there = kept[rows]
    of_all = union_length(uniflow[rows], start, length, 2 * flows)
    counted = union_length(uniflow[rows[there]], start[there], length[there], 2 * flows)
    missing: Rows = (of_all - counted).reshape(-1, 2).sum(axis=1)
    return missing


@dataclass(frozen=True, eq=False)
class _Shares:
    """The strands and uniflows of some packets, and which have come as far as those that count."""

    strand: Rows
    uniflow: Rows
    as_far: Bools

    def none_copied(self, copied: Bools, silent: Bools) -> Rows:
        """The strands that have next to no copies in any direction that tells.

        `silent` are those without payload to ask about.
        Where few packets tell, or none of them has payload, none may be a copy and no router may be between: a place
        farther on the way has what was lost on the way from it, too.
        """
        both = self.strand * 2 + (self.uniflow & 1)
        count = np.bincount(both, minlength=2 * (int(self.strand.max()) + 1))
        copies = np.bincount(both[copied], minlength=len(count))
        farther = np.bincount(both[~self.as_far], minlength=len(count))
        tells = (count >= _FEWEST).reshape(-1, 2)
        tells[silent[: len(tells)]] = False
        fits = (copies <= _COPIED * count).reshape(-1, 2)
        many = tells.any(axis=1) & (fits | ~tells).all(axis=1)
        few = ~tells.any(axis=1) & ((copies == 0) & (farther * 2 <= count)).reshape(-1, 2).all(axis=1)
        return np.flatnonzero((many | few) & (count.reshape(-1, 2).sum(axis=1) > 0))


def _came_as_far(packets: Packets, rows: Rows, uniflow: Rows, kept: Bools) -> Bools:
    """Which of the rows have a time to live that packets of their uniflow have that count."""
    key = uniflow << _TTL_BITS | packets.ttl
    return np.isin(key[rows], key[kept])


def _positions(packets: Packets, rows: Rows, uniflow: Rows) -> I64:
    """Where each packet's payload begins, on one axis for all uniflows."""
    order = np.argsort(uniflow[rows], kind="stable")
    ordered = rows[order]
    begins = run_begins(uniflow[ordered])
    start = unwrap(packets.seq[ordered], begins)
    found = np.empty(len(rows), np.int64)
    found[order], _ = on_one_axis(start, packets.payload_bytes[ordered].astype(np.int64), begins)
    return found


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
