"""Whether the receiver of a RST accepts it (RFC 5961 section 3): at exactly the next number that it expects.

Enters: packets, their flows and uniflows, the rows of RSTs. Leaves: the distance from what was expected, the verdict.
No loop over packets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.connections import Traffic
from analysis.flows.sequence import UniflowIndex
from analysis.flows.subflows import Subflows
from analysis.flows.windows import MOST_SCALE, receive_windows
from analysis.flows.windows import UNKNOWN as NO_WINDOW
from analysis.pcap import ACK, Packets
from analysis.pcap.columns import I64, Rows

EXACT, IN_WINDOW, OUTSIDE, UNKNOWN = "exact", "in-window", "outside", "unknown"

_NOT_CAPTURED = 1 << 40


@dataclass(frozen=True, eq=False)
class Acceptability:
    """Per RST: `verdict` (one of the four above), and `relative`, bytes from what was expected (masked: not known)."""

    verdict: NDArray[np.str_]
    relative: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.int64]]


def judge_acceptability(
    packets: Packets, traffic: Traffic, subflows: Subflows, acks: UniflowIndex, rows: Rows
) -> Acceptability:
    """The verdict on each of these RSTs, which must be a client's (their uniflow is known).

    What the receiver expects is its last acknowledgement before the RST, or, where that lags, the number after the
    furthest byte sent to it; either counts as exact. In SYN-SENT a RST must acknowledge the SYN (RFC 9293 section
    3.10.7.3).
    """
    uniflow = subflows.uniflow[rows]
    flow = uniflow >> 1
    by_ack = np.full(len(rows), _NOT_CAPTURED, np.int64)
    least, most = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    at = acks.last_before(uniflow ^ 1, rows)
    found = at >= 0
    last_ack = acks.rows[at[found]]
    by_ack[found] = _distance(packets.seq[rows[found]], packets.ack[last_ack])
    least[found], most[found] = _windows(packets, subflows, len(traffic.flows), last_ack)
    by_data = np.full(len(rows), _NOT_CAPTURED, np.int64)
    at = subflows.space.index.last_before(uniflow, rows)
    found = at >= 0
    by_data[found] = _distance(packets.seq[rows[found]], subflows.space.furthest[at[found]])

    flows = traffic.flows
    to_opener = (uniflow & 1) != flows.by_client[flow]
    in_syn_sent = to_opener & flows.has_syn[flow] & ((flows.answer[flow] < 0) | (rows < flows.answer[flow]))
    acks_syn = packets.ack[rows] == packets.seq[flows.opening[flow]] + np.uint32(1)
    acks_syn &= (packets.flags[rows] & ACK) != 0

    relative = np.where(by_ack != _NOT_CAPTURED, by_ack, by_data)
    exact = (by_ack == 0) | (by_data == 0)
    relative[exact] = 0
    verdict = np.select(
        [
            in_syn_sent & acks_syn,
            in_syn_sent,
            exact,
            relative == _NOT_CAPTURED,
            (relative > 0) & (relative < least),
            (relative > 0) & (relative < most),
        ],
        [EXACT, OUTSIDE, EXACT, UNKNOWN, IN_WINDOW, UNKNOWN],
        OUTSIDE,
    )
    return Acceptability(verdict, np.ma.MaskedArray(relative, in_syn_sent | (relative == _NOT_CAPTURED)))


def _windows(packets: Packets, subflows: Subflows, flows: int, acks: Rows) -> tuple[I64, I64]:
    """The least and the most bytes that the windows in these packets can be: one number where the scale is known."""
    rows, window = receive_windows(packets, subflows.uniflow, flows)
    announced = window[np.searchsorted(rows, acks)]
    plain = packets.window[acks].astype(np.int64)
    unknown = announced == NO_WINDOW
    return np.where(unknown, plain, announced), np.where(unknown, plain << MOST_SCALE, announced)


def _distance(numbers: NDArray[np.uint32], base: NDArray[np.uint32]) -> NDArray[np.int64]:
    return (numbers - base).astype(np.uint32).view(np.int32).astype(np.int64)
