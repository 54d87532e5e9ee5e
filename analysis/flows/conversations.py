"""Which packets belong together: TCP conversations in captures of one or several places, without a loop over packets.

Enters: `Packets` (of several captures: merged). Leaves: the flow of each packet and its direction within it. Nothing
here knows who the client is or what MPTCP makes of the flows.

A flow is one use of a 4-tuple: a SYN with a new initial sequence number opens it. Packets of a 4-tuple before its first
SYN, or without any, are a midstream flow (one whose beginning was not captured). A flow that several captures (or
interfaces) saw is one flow: each direction of it is taken from one place, so that nothing counts twice; a translated
address on the way (LVS-NAT) does not hide it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.complements import uncounted_bytes, with_complements
from analysis.flows.contradictions import without_contradictions
from analysis.flows.flow_matching import match_by_packets, match_by_syns, match_unanswered
from analysis.flows.grouping import first_rows, numbers
from analysis.flows.port_reuse import with_uses
from analysis.flows.strands import Strands, find_strands
from analysis.pcap import ACK, SYN, Packets
from analysis.pcap.columns import Bools, Rows

_CAPABLE_WITH_KEY_BYTES = 12
_PORT_BITS = 16


@dataclass(frozen=True, eq=False)
class Conversations:
    """Flows, numbered in order of opening.

    Per packet: `flow` (-1 for the other copies of a packet that several places saw) and `from_opener`. Per flow:
    `opening`, the row of its SYN (of its first packet for a midstream one), `has_syn`, the ends as the opener's place
    saw them, `places`, at how many places it was seen, and `uncounted`, the payload bytes that another place has and no
    packet that counts. `strand_flow` and `strand_of_packet` tell of every packet, copies included, to which flow it
    belongs: `strand_flow[strand_of_packet]`.
    """

    flow: Rows
    from_opener: Bools
    opening: Rows
    has_syn: Bools
    opener_address: NDArray[np.uint32]
    opener_port: NDArray[np.uint16]
    other_address: NDArray[np.uint32]
    other_port: NDArray[np.uint16]
    places: Rows
    uncounted: Rows
    strand_of_packet: Rows
    strand_flow: Rows

    def __len__(self) -> int:
        return len(self.opening)


def find_conversations(packets: Packets, servers: Collection[int] = ()) -> Conversations:
    """The flows in the packets; `servers` are addresses that tell the ends of a midstream flow apart."""
    strands = find_strands(packets, servers)
    strand, opening, has_syn = strands.of_packet, strands.opening, strands.has_syn
    from_opener, opener, other = strands.from_opener, strands.opener, strands.other
    flow_of_strand, kept = _one_place_each(packets, strands)

    # The strand that speaks for a flow is the first of it whose SYN was seen nearest to its opener.
    speaker = _speakers(packets, flow_of_strand, opening, has_syn)
    order = np.argsort(opening[speaker], kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    strand_flow, speaker = number[flow_of_strand], speaker[order]
    uniflow = strand_flow[strand] * 2 + from_opener
    if kept is not None:
        kept = with_complements(packets, strand, uniflow, kept)
    flow = np.where(kept, strand_flow[strand], -1) if kept is not None else strand_flow[strand]
    return Conversations(
        flow=flow,
        from_opener=from_opener,
        opening=opening[speaker],
        has_syn=has_syn[speaker],
        opener_address=(opener[speaker] >> _PORT_BITS).astype(np.uint32),
        opener_port=(opener[speaker] & 0xFFFF).astype(np.uint16),
        other_address=(other[speaker] >> _PORT_BITS).astype(np.uint32),
        other_port=(other[speaker] & 0xFFFF).astype(np.uint16),
        places=np.bincount(strand_flow, minlength=len(speaker)).astype(np.int64),
        uncounted=uncounted_bytes(packets, uniflow, kept, len(speaker)),
        strand_of_packet=strand,
        strand_flow=strand_flow,
    )


def _one_place_each(packets: Packets, strands: Strands) -> tuple[Rows, Bools | None]:
    """A number of the flow of each strand, and which packets count: each direction at one place (None: all of them)."""
    strand, opening, has_syn = strands.of_packet, strands.opening, strands.has_syn
    from_opener = strands.from_opener
    alone = np.arange(len(opening))
    flow, flows = numbers(without_contradictions(packets, strands, _signatures(packets, strands)))
    if flows == len(opening):
        return alone, None
    packets_of = np.bincount(strand * 2 + from_opener, minlength=2 * len(opening))
    speaker = _speakers(packets, flow, opening, has_syn)
    best = np.empty((flows, 2), np.int64)
    for direction in (0, 1):
        # The place that speaks for the flow, unless it saw nothing of this direction; then that which saw most.
        count = packets_of[direction::2]
        rank = count + np.where((alone == speaker[flow]) & (count > 0), count.max(initial=0) + 1, 0)
        order = np.lexsort((-alone, rank, flow))
        best[flow[order], direction] = order  # the last of each flow stays: the greatest rank, then the first strand
    return flow, strand == best[flow[strand], from_opener.astype(np.int64)]


def _signatures(packets: Packets, strands: Strands) -> Rows:
    """A number per strand that two strands share if they are the same flow seen at two places.

    A SYN keeps its initial sequence number through address translation; with it a join's token and nonce, the server's
    key, or else the client's port or the time stamp. A midstream strand is matched by its 4-tuple, or by its packets.
    """
    strand, opening, has_syn = strands.of_packet, strands.opening, strands.has_syn
    alone = np.arange(len(opening))
    if len(set(packets.places) or packets.interfaces) <= 1 and not _translated(packets, opening, has_syn):
        return match_by_packets(packets, strand=strand, signature=alone, opening=opening, has_syn=has_syn)
    answers = np.flatnonzero(((packets.flags & (SYN | ACK)) == SYN | ACK) & ~strands.from_opener)
    answer = first_rows(answers, strand[answers], len(opening))
    is_join = packets.mp_join.first("length", opening) > 0
    nonce = packets.mp_join.first("token", opening).astype(np.uint64) << np.uint64(32)
    nonce |= packets.mp_join.first("nonce", opening)
    has_key = packets.mp_capable.first("length", answer) >= _CAPABLE_WITH_KEY_BYTES
    key = np.where(
        has_key,
        packets.mp_capable.first("sender_key", answer),
        packets.sport[opening].astype(np.uint64),
    )
    mark, _ = numbers(np.where(is_join, nonce, key))
    both, count = numbers(packets.seq[opening].astype(np.int64) << 31 | mark)
    signature = np.where(has_syn, both, count + alone)
    signature = match_unanswered(
        packets, signature, opening=opening, asks=has_syn & ~is_join & (answer < 0), keyed=has_syn & ~is_join & has_key
    )
    signature = with_uses(packets, signature, opening, strands.tuples, has_syn)
    signature = match_by_syns(packets, signature, opening, has_syn & ~is_join & ~has_key)
    signature = _with_midstream(packets, signature, opening, has_syn)
    return match_by_packets(packets, strand=strand, signature=signature, opening=opening, has_syn=has_syn)


def _translated(packets: Packets, opening: Rows, has_syn: Bools) -> bool:
    """Whether one place may have seen a SYN twice, before and after a translation of addresses."""
    rows = opening[has_syn]
    number = packets.seq[rows].astype(np.int64) << 32
    stamped = packets.ts_value[rows] > 0
    same = (number | packets.sport[rows], (number | packets.ts_value[rows])[stamped])
    return any(len(np.unique(each)) < len(each) for each in same)


def _with_midstream(packets: Packets, signature: Rows, opening: Rows, has_syn: Bools) -> Rows:
    """The signatures, where a midstream strand has that of a strand with a SYN and the same ends at another place.

    Of several it is the last one that was opened before.
    """
    low = np.minimum(packets.src[opening], packets.dst[opening]).astype(np.int64)
    high = np.maximum(packets.src[opening], packets.dst[opening]).astype(np.int64)
    forward = packets.src[opening] < packets.dst[opening]
    ports = np.where(forward, packets.sport[opening], packets.dport[opening]).astype(np.int64) << _PORT_BITS
    ports |= np.where(forward, packets.dport[opening], packets.sport[opening])
    addresses, _ = numbers(low << 32 | high)
    ends, _ = numbers(addresses << 32 | ports)
    syns = np.flatnonzero(has_syn)
    syns = syns[np.lexsort((opening[syns], ends[syns]))]
    first = np.searchsorted(ends[syns], ends)
    stride = len(packets) + 1
    before = np.searchsorted(ends[syns] * stride + opening[syns], ends * stride + opening, side="right") - 1
    at = np.minimum(np.maximum(before, first), max(len(syns) - 1, 0))
    match = np.full(len(ends), -1, np.int64)
    if len(syns):
        match = np.where(~has_syn & (ends[syns[at]] == ends), syns[at], -1)
    place = packets.place[opening]
    match[(match >= 0) & (place == place[match])] = -1
    return np.where(match >= 0, signature[match], signature)


def _speakers(packets: Packets, flow: Rows, opening: Rows, has_syn: Bools) -> Rows:
    """The strand that speaks for each flow: the one whose SYN had most of its time to live left, the first of those."""
    alone = np.arange(len(flow))
    nearness = np.where(has_syn, packets.ttl[opening].astype(np.int64), -1)
    order = np.lexsort((-alone, nearness, flow))
    speaker = np.empty(int(flow.max(initial=-1)) + 1, np.int64)
    speaker[flow[order]] = order
    return speaker
