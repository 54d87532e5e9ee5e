"""Bytes that were acknowledged and not captured: what a capture has lost that counts no drops itself.

Enters: packets with their flow and direction. Leaves: bytes per uniflow; no loop over packets.

What counts begins with the connection, if its handshake was captured, and else behind what may have been under way when
the capture began: the first acknowledgement of something captured, and what its end had received out of order by then.
It ends with the last acknowledgement: a number that goes back again was none of this connection's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.flows.grouping import first_rows
from analysis.flows.sequence import UniflowIndex
from analysis.flows.sequence_numbers import union_length, unwrap
from analysis.pcap import ACK, FIN, RST, SYN, Packets
from analysis.pcap.columns import I64, Bools, Rows

_LARGEST_WINDOW_BYTES = 1 << 30
"""RFC 7323 section 2.3: no end acknowledges so much beyond what it is known to have been sent."""


@dataclass(frozen=True, eq=False)
class _Sent:
    """The packets of each uniflow: `start` and `end` in sequence numbers from the first one's; `first` is its row."""

    index: UniflowIndex
    start: I64
    end: I64
    first: Rows


@dataclass(frozen=True, eq=False)
class _Acked:
    """The acknowledgements of each uniflow by the other: `position` as `_Sent` counts, `first` and `last` or -1."""

    rows: Rows
    uniflow: Rows
    position: I64
    first: Rows
    last: Rows


def uncaptured_bytes(packets: Packets, every: UniflowIndex, uniflows: int) -> I64:
    """The bytes of each uniflow that were acknowledged and not captured; `every` has all packets that count.

    0 where one direction alone was captured. A FIN takes a number, too: without a captured one it is the last that was
    acknowledged, if that is the only one behind what was captured, or the other end has closed.
    """
    sent = _sent(packets, every, uniflows)
    acked = _acked(packets, every, sent, uniflows)
    low, told = _begins(packets, sent, acked, uniflows)
    high = np.where(told, acked.position[acked.last] if len(acked.position) else 0, low)
    there = np.flatnonzero(sent.end > sent.start)
    of, start, end = sent.index.uniflow[there], sent.start[there], sent.end[there]
    top = low.copy()
    np.maximum.at(top, of, end)
    told &= (high > low) & (high - top < _LARGEST_WINDOW_BYTES)
    high = np.where(told, high, low)
    start, end = (np.clip(each, low[of], high[of]) for each in (start, end))
    missing = high - low - union_length(of, start, end - start, uniflows)
    closed = np.zeros(uniflows, np.bool_)
    closed[sent.index.uniflow[(packets.flags[sent.index.rows] & FIN) != 0]] = True
    other_closed = closed[np.arange(uniflows) ^ 1]
    missing[told & ~closed & ((high == top + 1) | other_closed & (high > top))] -= 1
    return missing


def _sent(packets: Packets, every: UniflowIndex, uniflows: int) -> _Sent:
    index = every.select((packets.flags & RST) == 0)
    flags = packets.flags[index.rows]
    start = unwrap(packets.seq[index.rows], index.begins)
    end = start + packets.payload_bytes[index.rows] + ((flags & SYN) != 0) + ((flags & FIN) != 0)
    first = np.full(uniflows, -1, np.int64)
    first[index.uniflow[index.begins]] = index.rows[index.begins]
    return _Sent(index, start, end, first)


def _acked(packets: Packets, every: UniflowIndex, sent: _Sent, uniflows: int) -> _Acked:
    index = every.select((packets.flags & (ACK | RST)) == ACK)
    of, begins = index.uniflow ^ 1, index.begins
    relative = unwrap(packets.ack[index.rows], begins)
    offset = np.zeros(uniflows, np.int64)
    row = index.rows[begins]
    ahead = (packets.ack[row] - packets.seq[np.maximum(sent.first[of[begins]], 0)]).astype(np.uint32)
    offset[of[begins]] = ahead.view(np.int32)
    first, last = np.full(uniflows, -1, np.int64), np.full(uniflows, -1, np.int64)
    first[of[begins]] = np.flatnonzero(begins)
    last[of] = np.arange(len(of))  # of several assignments to one element the last one stays
    return _Acked(index.rows, of, relative + offset[of], first, last)


def _begins(packets: Packets, sent: _Sent, acked: _Acked, uniflows: int) -> tuple[I64, Bools]:
    """Where in each uniflow that begins which is to be captured, and whether that is known."""
    opens = np.flatnonzero((packets.flags[sent.index.rows] & SYN) != 0)
    of = sent.index.uniflow[opens]
    low, highest = np.full(uniflows, np.iinfo(np.int64).max), np.full(uniflows, np.iinfo(np.int64).min)
    np.minimum.at(low, of, sent.start[opens] + 1)
    np.maximum.at(highest, of, sent.start[opens] + 1)
    has_syn = highest >= low
    # Of answers by several servers nobody knows here which was taken.
    told = (~has_syn | (highest == low)) & (sent.first >= 0) & (acked.first >= 0)
    every = np.arange(uniflows)
    answered = ~has_syn & has_syn[every ^ 1] & told
    low[answered] = acked.position[acked.first[answered]]
    middle = ~has_syn & ~has_syn[every ^ 1] & told
    low[~told] = 0
    if middle.any():
        low[middle] = _under_way(packets, acked, uniflows)[middle]
    return low, told


def _under_way(packets: Packets, acked: _Acked, uniflows: int) -> I64:
    """How far each uniflow may have been sent already when its first packet was captured."""
    beyond = np.flatnonzero(acked.position > 0)
    answer = first_rows(beyond, acked.uniflow[beyond], uniflows)
    low = np.where(answer >= 0, acked.position[answer], 0)
    place = np.full(len(packets), -1, np.int64)
    place[acked.rows] = np.arange(len(acked.rows))
    block = np.flatnonzero(place[packets.sack.packet] >= 0)
    row = packets.sack.packet[block]
    of = acked.uniflow[place[row]]
    right = acked.position[place[row]] + (packets.sack.right[block] - packets.ack[row]).astype(np.uint32).view(np.int32)
    early = place[row] <= answer[of]
    np.maximum.at(low, of[early], right[early])
    return low
