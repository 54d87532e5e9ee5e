"""Which of two captures of one place came first, whatever its clock says: their connections tell.

Enters: the packets of both. Leaves: on how many ways between two ends more the second one goes on from the first than
the other way round, and whether their times contradict that. Captures that ran at the same time, at two places or at
two links of one, may have a connection one after the other, too: their times are right as they are.
"""

from __future__ import annotations

import numpy as np

from analysis.pcap import RST, SYN, Packets
from analysis.pcap.columns import I64, Rows

_WINDOW, _ANY = 1 << 24, 1 << 31

_OVERTAKEN_NS = 10_000_000
"""By so much packets may come in another order than they were sent in: on two ways, or out of order into the file."""

_NEEDED = 0.5
"""Share of the time between the captures by which time must run backwards in a connection of both."""


def precedes(packets: Packets, before: Rows, after: Rows, first: Rows, last: Rows) -> bool:
    """Whether captures that end with the rows `before` come ahead of those that begin with `after`, against the clock.

    `first` are the rows of the ones' beginning, `last` those of the others' end, from which nothing may go on to it.
    """
    forward, back_ns = _continuations(packets, before, after, within=_WINDOW)
    span_ns = int(packets.time_ns[before].max() - packets.time_ns[after].min())
    return (
        forward > 0
        and back_ns > max(_OVERTAKEN_NS, _NEEDED * span_ns)
        and _continuations(packets, last, first, within=_ANY, opened=True)[0] < 0
    )


def _continuations(
    packets: Packets, before: Rows, after: Rows, *, within: int, opened: bool = False
) -> tuple[int, int]:
    """How much says that the rows `after` go on from the rows `before`: less than 0, if anything says the contrary.

    Each way from one end to another on which both have packets counts 1: forward if the first sequence number after is
    greater than the last one before, or if they are equal and the acknowledgement is. SYNs and RSTs do not count, for
    they may have any number, nor do numbers that are not `within` so much: that is another connection or another time.
    A connection that is opened in the rows after does not go on in them; it counts where it may have been `opened`.
    Second, by how much time runs backwards on a way that goes forward, at most (ns).
    """
    ends, last = _ways(packets, before[::-1])
    others, first = _ways(packets, after)
    if not opened:
        opening, syn = _ways(packets, after, SYN)
        _, mine, its = np.intersect1d(others, opening, assume_unique=True, return_indices=True)
        goes_on = np.ones(len(others), np.bool_)
        goes_on[mine] = first[mine] < syn[its]
        others, first = others[goes_on], first[goes_on]
    _, left, right = np.intersect1d(ends, others, assume_unique=True, return_indices=True)
    one, other = last[left], first[right]
    seq = (packets.seq[other] - packets.seq[one]).view(np.int32).astype(np.int64)
    ack = (packets.ack[other] - packets.ack[one]).view(np.int32).astype(np.int64)
    near = (np.abs(seq) <= within) & (np.abs(ack) <= within)
    way = np.where(seq != 0, np.sign(seq), np.sign(ack))[near]
    back = (packets.time_ns[one] - packets.time_ns[other])[near]
    return int(way.sum(dtype=np.int64)), int(back[way > 0].max(initial=0))


def _ways(packets: Packets, rows: Rows, kind: int = 0) -> tuple[I64, Rows]:
    """The ways from one end to another on which the rows have packets of a kind, and the first of these on each.

    The kind is SYN (answers are of it), or 0: neither SYN nor RST.
    """
    rows = rows[(packets.flags[rows] & (SYN | RST)) == kind]
    ports = packets.sport[rows].astype(np.uint64) << np.uint64(16) | packets.dport[rows]
    mixed = packets.src[rows].astype(np.uint64) << np.uint64(32) | packets.dst[rows]
    mixed = ((mixed ^ mixed >> np.uint64(29)) * np.uint64(0x9E3779B97F4A7C15) ^ ports) * np.uint64(0xBF58476D1CE4E5B9)
    found, at = np.unique(mixed.view(np.int64), return_index=True)
    return found, rows[at]
