"""Sequence numbers of every flow and direction: what came again, how far it had got before any packet.

Enters: packets with their flow and direction. Leaves: arrays sorted by flow and direction, for look-ups by row; no loop
over packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.flows.sequence_numbers import run_begins, running_maximum, union_length, unwrap
from analysis.flows.tcp_flows import Sides
from analysis.pcap import ACK, FIN, RST, SYN, Packets
from analysis.pcap.columns import Bools, Rows

TO_CLIENT, TO_SERVER = 0, 1
"""The two directions; a `uniflow` (RFC 5103: a flow in one direction) is 2 * flow + direction."""


def uniflows(sides: Sides) -> Rows:
    """The uniflow of each packet, -1 for packets that do not count."""
    uniflow = sides.flow * 2 + sides.from_client
    uniflow[~(sides.to_client | sides.from_client)] = -1
    return uniflow


@dataclass(frozen=True, eq=False)
class UniflowIndex:
    """Some packets, sorted by uniflow and then by row, for finding the last one before a row.

    `stride` is greater than every row.
    """

    rows: Rows
    uniflow: Rows
    stride: int

    @classmethod
    def of(cls, uniflow: Rows) -> UniflowIndex:
        """The index of all packets that count; `uniflow` is that of every packet, -1 for those that do not."""
        rows = np.flatnonzero(uniflow >= 0)
        rows = rows[np.argsort(uniflow[rows], kind="stable")]
        return cls(rows, uniflow[rows], len(uniflow) + 1)

    def select(self, chosen: Bools) -> UniflowIndex:
        """The index of those packets among them that are `chosen`, which says it of every packet."""
        here = chosen[self.rows]
        return UniflowIndex(self.rows[here], self.uniflow[here], self.stride)

    @cached_property
    def begins(self) -> Bools:
        """Which of them are the first of their uniflow."""
        return run_begins(self.uniflow)

    def last_before(self, uniflow: Rows, rows: Rows) -> Rows:
        """For each pair the place in this index of the last packet of the uniflow before that row, or -1."""
        if not len(self.rows):
            return np.full(len(rows), -1, np.int64)
        at = np.searchsorted(self.uniflow * self.stride + self.rows, uniflow * self.stride + rows, side="left") - 1
        return np.where((at >= 0) & (self.uniflow[at] == uniflow), at, -1)


@dataclass(frozen=True, eq=False)
class SequenceSpace:
    """What every uniflow sent: `index` has the packets that take up sequence numbers (payload, SYN, FIN).

    In the order of the index: `repeated` (payload bytes that came behind a later byte of the uniflow already), and
    `furthest` (the sequence number after the furthest byte sent up to and including this packet), `start` (the first
    sequence number, relative to the uniflow's first packet) and `payload` (bytes).
    """

    index: UniflowIndex
    repeated: NDArray[np.int64]
    furthest: NDArray[np.uint32]
    start: NDArray[np.int64]
    payload: NDArray[np.int64]

    def repeated_per_uniflow(self, count: int) -> NDArray[np.int64]:
        """The repeated payload bytes of each uniflow."""
        total = np.bincount(self.index.uniflow, self.repeated, minlength=count)
        return np.asarray(total, np.int64)

    def distinct_per_uniflow(self, count: int) -> NDArray[np.int64]:
        """The payload bytes of each uniflow, each sequence number counted once."""
        carrying = np.flatnonzero(self.payload > 0)
        return union_length(self.index.uniflow[carrying], self.start[carrying], self.payload[carrying], count)


@dataclass(frozen=True, eq=False)
class Acknowledgements:
    """What every uniflow acknowledged: `index` has the packets that acknowledge something.

    In the order of the index: `reached` (the furthest number acknowledged up to and including this packet, relative to
    the uniflow's first acknowledgement), and `furthest` (the same as a sequence number).
    """

    index: UniflowIndex
    reached: NDArray[np.int64]
    furthest: NDArray[np.uint32]


def sequence_space(packets: Packets, every: UniflowIndex) -> SequenceSpace:
    """The sequence space of every uniflow; `every` has all packets that count.

    A packet that comes behind a later one is a retransmission, or was overtaken on the way: one place cannot tell.
    """
    length = packets.payload_bytes + ((packets.flags & SYN) != 0) + ((packets.flags & FIN) != 0)
    index = every.select((length > 0) & ((packets.flags & RST) == 0))
    seq, size = packets.seq[index.rows], length[index.rows].astype(np.int64)
    begins = index.begins
    start = unwrap(seq, begins)
    end = start + size
    high = running_maximum(end, begins)
    before = np.concatenate([[0], high[:-1]]) if len(high) else high
    overlap = np.where(begins, 0, np.minimum(end, before) - start)
    payload = packets.payload_bytes[index.rows].astype(np.int64)
    repeated = np.clip(overlap, 0, payload)
    furthest = (seq.astype(np.int64) + (high - start)) & 0xFFFFFFFF
    return SequenceSpace(
        index=index, repeated=repeated, furthest=furthest.astype(np.uint32), start=start, payload=payload
    )


def acknowledgements(packets: Packets, every: UniflowIndex) -> Acknowledgements:
    """What every uniflow acknowledged; `every` has all packets that count."""
    index = every.select((packets.flags & (ACK | RST)) == ACK)
    numbers = packets.ack[index.rows]
    relative = unwrap(numbers, index.begins)
    reached = running_maximum(relative, index.begins)
    furthest = (numbers.astype(np.int64) + (reached - relative)) & 0xFFFFFFFF
    return Acknowledgements(index, reached, furthest.astype(np.uint32))
