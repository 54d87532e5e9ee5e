"""How much was in flight, and how much the receiver allowed: over time, for each uniflow.

Enters: packets with their flow and direction. Leaves: per packet the bytes that its sender had sent and not seen
acknowledged, and the receive window that it announces in bytes. Both are those of the place of capture: at the sender
they are its own, at the receiver what is on the way from it is missing.
"""

from __future__ import annotations

import numpy as np

from analysis.flows.sequence import Acknowledgements, SequenceSpace
from analysis.pcap import ACK, SYN, Packets
from analysis.pcap.columns import I64, Bools, Rows

UNKNOWN = -1
MOST_SCALE = 14
"""The greatest shift of a window; more counts as so much (RFC 7323 section 2.3)."""

_NO_SCALE = 255


def in_flight(acks: Acknowledgements, space: SequenceSpace) -> tuple[Rows, I64]:
    """The rows of packets that take up sequence numbers, and what is in flight after each, SYN and FIN included.

    `UNKNOWN` where the other direction has acknowledged nothing yet.
    """
    index = space.index
    last = acks.index.last_before(index.uniflow ^ 1, index.rows)
    known = last >= 0
    flight = np.full(len(index.rows), UNKNOWN, np.int64)
    ahead = (space.furthest[known] - acks.furthest[last[known]]).astype(np.uint32).view(np.int32)
    flight[known] = np.maximum(ahead, 0)
    return index.rows, flight


def receive_windows(packets: Packets, uniflow: Rows, flows: int) -> tuple[Rows, I64]:
    """The rows of packets that acknowledge, and the window that each announces in bytes.

    `UNKNOWN` where the handshake, which has the scale, was not captured.
    """
    scale, known = window_scales(packets, uniflow, flows)
    rows = np.flatnonzero(((packets.flags & ACK) != 0) & (uniflow >= 0))
    of = uniflow[rows] >> 1
    in_syn: Bools = (packets.flags[rows] & SYN) != 0  # never scaled (RFC 7323 section 2.2)
    window = packets.window[rows].astype(np.int64) << np.where(in_syn, 0, scale[of, uniflow[rows] & 1])
    return rows, np.where(known[of] | in_syn, window, UNKNOWN)


def window_scales(packets: Packets, uniflow: Rows, flows: int) -> tuple[I64, Bools]:
    """The shift of the windows of each flow's ends, by the direction in which they send, and whether it is known.

    0 where the ends have not agreed on one, 14 at most (RFC 7323 section 2); known where both SYNs were captured.
    """
    syns = np.flatnonzero(((packets.flags & SYN) != 0) & (uniflow >= 0))
    scale = np.full((flows, 2), UNKNOWN, np.int64)
    offered = packets.handshake.first("window_scale", syns).astype(np.int64)
    has_row = np.isin(syns, packets.handshake.packet)
    scale[uniflow[syns] >> 1, uniflow[syns] & 1] = np.where(has_row, offered, _NO_SCALE)
    known: Bools = np.asarray((scale >= 0).all(axis=1))
    # One end alone cannot have it (RFC 7323 section 2.2).
    used: Bools = known & np.asarray((scale != _NO_SCALE).all(axis=1))
    return np.where(used[:, None], np.minimum(scale, MOST_SCALE), 0), known
