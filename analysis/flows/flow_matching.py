"""Strands that are one flow though neither a SYN nor the ends say so: they have packets in common.

Enters: packets and the strands they are in, with what is known of each strand already. Leaves: the same signatures,
equal for more strands. A capture that began during a download has no SYN of it; where addresses or ports were
translated on the way, the ends differ, too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from analysis.flows.clocks import copies_of
from analysis.pcap import RST, SYN, Packets
from analysis.pcap.columns import I64, Bools, Rows

_FEWEST, _SHARE = 3, 0.2
"""Packets, and share of those of the lesser strand, that two strands of one flow have in common at least."""


def match_by_syns(packets: Packets, signature: Rows, opening: Rows, marked: Bools) -> Rows:
    """The signatures, equal where two SYNs are the same one with another client's port: a masquerading router's.

    `marked` are the strands with a SYN that nothing but its port tells apart. Its initial sequence number and its time
    stamp are the same behind the router.
    """
    asked = np.flatnonzero(marked & (packets.ts_value[opening] > 0))
    same = packets.seq[opening[asked]].astype(np.int64) << 32 | packets.ts_value[opening[asked]]
    _, first, number = np.unique(same, return_index=True, return_inverse=True)
    return _joined(signature, zip(asked[first[number]].tolist(), asked.tolist(), strict=True))


def match_unanswered(packets: Packets, signature: Rows, opening: Rows, asks: Bools, keyed: Bools) -> Rows:
    """The signatures, where each strand that `asks`, with a SYN and no answer, has that of a `keyed` one with its SYN.

    The answers may come past a place (LVS-DR), or all that follows the SYN may (ECMP): it knows no key of the server.
    """
    asked, told = np.flatnonzero(asks), np.flatnonzero(keyed)
    if not len(asked) or not len(told):
        return signature
    syn = packets.seq[opening].astype(np.int64) << 16 | packets.sport[opening]
    told = told[np.argsort(syn[told], kind="stable")]
    match = told[np.minimum(np.searchsorted(syn[told], syn[asked]), len(told) - 1)]
    one, other = opening[asked], opening[match]
    elsewhere = (packets.place[one] != packets.place[other]) | (packets.dst[one] != packets.dst[other])
    same = (syn[asked] == syn[match]) & (elsewhere | (packets.src[one] != packets.src[other]))
    result = signature.copy()
    result[asked[same]] = signature[match[same]]
    return result


def match_by_packets(packets: Packets, strand: Rows, signature: Rows, opening: Rows, has_syn: Bools) -> Rows:
    """The signatures, where each strand without a SYN has that of the strand with which it shares most packets.

    What one place has with the same ends twice is no copy.
    """
    lonely = ~has_syn & (np.bincount(signature, minlength=1)[signature] == 1)
    if not lonely.any() or len(opening) == 1:
        return signature
    one, other, count = _shared(packets, strand, lonely)
    low = np.minimum(packets.src[opening], packets.dst[opening])
    high = np.maximum(packets.src[opening], packets.dst[opening])
    place = packets.place[opening]
    apart = (place[one] != place[other]) | (low[one] != low[other]) | (high[one] != high[other])
    size = np.bincount(strand, minlength=len(opening))
    least = np.minimum(_FEWEST, np.minimum(size[one], size[other]))
    good = apart & (count >= least) & (count >= _SHARE * np.minimum(size[one], size[other]))
    one, other, count = one[good], other[good], count[good]
    # Each lonely strand joins the one that has most of its packets; of several, one that has its SYN.
    pairs: dict[int, int] = {}
    for at in np.lexsort((has_syn[one] | has_syn[other], count)).tolist():
        for mine, its in ((int(one[at]), int(other[at])), (int(other[at]), int(one[at]))):
            if lonely[mine]:
                pairs[mine] = its
    return _joined(signature, pairs.items(), known=has_syn)


def _shared(packets: Packets, strand: Rows, lonely: Bools) -> tuple[Rows, Rows, Rows]:
    """Pairs of strands that have packets in common, at least one of them lonely, and how many packets."""
    several = len(set(packets.places) or packets.interfaces) > 1
    rows = np.flatnonzero(((packets.flags & (RST | SYN)) == 0) & (several | lonely[strand]))
    same, of = copies_of(packets)[rows], strand[rows]
    order = np.lexsort((of, same))
    same, of = same[order], of[order]
    fresh = np.ones(len(same), np.bool_)
    fresh[1:] = (same[1:] != same[:-1]) | (of[1:] != of[:-1])
    same, of = same[fresh], of[fresh]
    begins = np.ones(len(same), np.bool_)
    begins[1:] = same[1:] != same[:-1]
    first: I64 = of[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    pair = np.flatnonzero((first != of) & (lonely[first] | lonely[of]))
    found, count = np.unique(first[pair] * len(lonely) + of[pair], return_counts=True)
    return found // len(lonely), found % len(lonely), count.astype(np.int64)


def _joined(signature: Rows, pairs: Iterable[tuple[int, int]], known: Bools | None = None) -> Rows:
    """The signatures, one for all strands that pairs connect: that of the first, of the first `known` one if any is."""
    root: dict[int, int] = {}

    def find(each: int) -> int:
        while (above := root.get(each, each)) != each:
            root[each] = each = root.get(above, above)
        return each

    for one, other in pairs:
        ends = find(one), find(other)
        if ends[0] == ends[1]:
            continue
        better = sorted(ends, key=lambda end: (known is None or not known[end], end))
        root[better[1]] = better[0]
    if not root:
        return signature
    result = signature.copy()
    for each in root:
        result[each] = signature[find(each)]
    return result
