"""Connections that both ends open at once (RFC 9293 section 3.5, figure 8): two SYNs that cross are one opening.

Enters: packets. Leaves: which SYNs cross the one that is taken for the opener's. That is the SYN of the end with the
greater port, or else address, whichever a place saw first: a server's port is the smaller one.
"""

from __future__ import annotations

import numpy as np

from analysis.flows.grouping import numbers
from analysis.pcap import ACK, RST, SYN, Packets
from analysis.pcap.columns import I64, U32, Bools, Rows

_PORT_BITS, _SEQ_BITS = 16, 32


def crossing_syns(packets: Packets) -> tuple[Rows, U32]:
    """The rows of SYNs that cross an opener's, ascending, and the initial sequence number of that.

    That two SYNs are of one connection an acknowledgement of the handshake says, which has the numbers of both.
    """
    syns = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN)
    low, high, is_low = _ends(packets, syns)
    ends, count = numbers(np.concatenate([low, high]))
    pair = ends[: len(syns)] * count + ends[len(syns) :]
    crossed = np.isin(pair, np.intersect1d(pair[is_low], pair[~is_low]))
    if not crossed.any():
        return np.empty(0, np.int64), np.empty(0, np.uint32)
    syns, low, high, is_low = syns[crossed], low[crossed], high[crossed], is_low[crossed]

    # The acknowledgements between these ends, each with the numbers of both SYNs that it would be of.
    acks = np.flatnonzero((packets.flags & (ACK | RST)) == ACK)
    lower, upper, by_low = _ends(packets, acks)
    here = np.isin(lower, low) & np.isin(upper, high)
    acks, by_low = acks[here], by_low[here]
    ends, count = numbers(np.concatenate([low, high, lower[here], upper[here]]))
    split = [len(low), 2 * len(low), 2 * len(low) + len(acks)]
    low, high, lower, upper = np.split(ends, split)
    pairs, _ = numbers(np.concatenate([low * count + high, lower * count + upper]))
    pair, of_acks = pairs[: len(syns)], pairs[len(syns) :]
    isn = pair << _SEQ_BITS | packets.seq[syns]
    of_low, of_high = isn[is_low], isn[~is_low]
    theirs = of_acks << _SEQ_BITS | (packets.ack[acks] - np.uint32(1))
    found, partner = [], []
    for behind in (0, 1):
        mine = of_acks << _SEQ_BITS | (packets.seq[acks] - np.uint32(behind))
        lower, upper = np.where(by_low, mine, theirs), np.where(by_low, theirs, mine)
        met = np.isin(lower, of_low) & np.isin(upper, of_high)
        found.append(lower[met])
        partner.append(upper[met])
    lower, first = np.unique(np.concatenate(found), return_index=True)
    upper = np.concatenate(partner)[first]
    at = np.searchsorted(lower, isn)
    crosses = is_low & np.isin(isn, lower)
    return syns[crosses], (upper[at[crosses]] & 0xFFFFFFFF).astype(np.uint32)


def _ends(packets: Packets, rows: Rows) -> tuple[I64, I64, Bools]:
    """The ends of packets (port, then address), the lower and the higher one, and whether the lower one sent it."""
    source = packets.sport[rows].astype(np.int64) << _SEQ_BITS | packets.src[rows]
    target = packets.dport[rows].astype(np.int64) << _SEQ_BITS | packets.dst[rows]
    return np.minimum(source, target), np.maximum(source, target), source < target
