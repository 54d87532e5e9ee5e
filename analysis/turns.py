"""Which of two captures of one place came first, whatever its clock says: their connections tell.

Enters: the packets of both. Leaves: on how many ways between two ends more the second one goes on from the first than
the other way round.
"""

from __future__ import annotations

import numpy as np

from analysis.pcap import RST, SYN, Packets
from analysis.pcap.columns import I64, Rows

_WINDOW = 1 << 24


def goes_on(packets: Packets, before: Rows, after: Rows) -> int:
    """How much says that the rows `after` go on from the rows `before`: less than 0, if anything says the contrary.

    Each way from one end to another on which both have packets counts 1: forward if the first sequence number after is
    greater than the last one before, or if they are equal and the acknowledgement is. A SYN begins anew, a RST may have
    any number, and what is farther away than a window is another connection or another time.
    """
    ends, last = _ways(packets, before[::-1])
    others, first = _ways(packets, after)
    _, left, right = np.intersect1d(ends, others, assume_unique=True, return_indices=True)
    one, other = last[left], first[right]
    usual = ((packets.flags[one] | packets.flags[other]) & RST) == 0
    usual &= (packets.flags[other] & SYN) == 0
    one, other = one[usual], other[usual]
    seq = (packets.seq[other] - packets.seq[one]).view(np.int32)
    ack = (packets.ack[other] - packets.ack[one]).view(np.int32)
    near = (np.abs(seq) < _WINDOW) & (np.abs(ack) < _WINDOW)
    return int(np.where(seq != 0, np.sign(seq), np.sign(ack))[near].sum(dtype=np.int64))


def _ways(packets: Packets, rows: Rows) -> tuple[I64, Rows]:
    """The ways from one end to another that the rows have, as numbers, and the first of the rows on each."""
    ports = packets.sport[rows].astype(np.uint64) << np.uint64(16) | packets.dport[rows]
    mixed = packets.src[rows].astype(np.uint64) << np.uint64(32) | packets.dst[rows]
    mixed = ((mixed ^ mixed >> np.uint64(29)) * np.uint64(0x9E3779B97F4A7C15) ^ ports) * np.uint64(0xBF58476D1CE4E5B9)
    found, at = np.unique(mixed.view(np.int64), return_index=True)
    return found, rows[at]
