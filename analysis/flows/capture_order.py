"""Which of two captures of one place came first, whatever its clock says: their connections tell.

Enters: the packets of both. Leaves: on how many ways between two ends more the second one goes on from the first than
the other way round.
"""

from __future__ import annotations

import numpy as np

from analysis.pcap import RST, SYN, Packets
from analysis.pcap.columns import I64, Rows

_WINDOW, _ANY = 1 << 24, 1 << 31


def continuations(packets: Packets, before: Rows, after: Rows, *, within: int = _WINDOW) -> int:
    """How much says that the rows `after` go on from the rows `before`: less than 0, if anything says the contrary.

    Each way from one end to another on which both have packets counts 1: forward if the first sequence number after is
    greater than the last one before, or if they are equal and the acknowledgement is. SYNs and RSTs do not count, for
    they may have any number, nor do numbers that are not `within` so much: that is another connection or another time.
    """
    ends, last = _ways(packets, before[::-1])
    others, first = _ways(packets, after)
    _, left, right = np.intersect1d(ends, others, assume_unique=True, return_indices=True)
    one, other = last[left], first[right]
    seq = (packets.seq[other] - packets.seq[one]).view(np.int32).astype(np.int64)
    ack = (packets.ack[other] - packets.ack[one]).view(np.int32).astype(np.int64)
    near = (np.abs(seq) <= within) & (np.abs(ack) <= within)
    return int(np.where(seq != 0, np.sign(seq), np.sign(ack))[near].sum(dtype=np.int64))


def precedes(packets: Packets, before: Rows, after: Rows, first: Rows, last: Rows) -> bool:
    """Whether captures that end with the rows `before` come ahead of those that begin with the rows `after`.

    `first` are the rows of the ones' beginning, `last` those of the others' end, from which nothing may go on to it.
    """
    return continuations(packets, before, after) > 0 > continuations(packets, last, first, within=_ANY)


def _ways(packets: Packets, rows: Rows) -> tuple[I64, Rows]:
    """The ways from one end to another that the rows have, as numbers, and the first of the rows on each."""
    rows = rows[(packets.flags[rows] & (SYN | RST)) == 0]
    ports = packets.sport[rows].astype(np.uint64) << np.uint64(16) | packets.dport[rows]
    mixed = packets.src[rows].astype(np.uint64) << np.uint64(32) | packets.dst[rows]
    mixed = ((mixed ^ mixed >> np.uint64(29)) * np.uint64(0x9E3779B97F4A7C15) ^ ports) * np.uint64(0xBF58476D1CE4E5B9)
    found, at = np.unique(mixed.view(np.int64), return_index=True)
    return found, rows[at]
