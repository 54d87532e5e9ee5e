"""What was sent again, and of which kind it is: why the sender did that, as far as the captures tell.

Enters: packets with their flow and direction. Leaves: `Retransmissions`, one element per packet whose payload is behind
what its uniflow had sent already. The evidence is what the place of capture saw: acknowledgements before and after,
SACK and D-SACK (RFC 2018, 2883), the IPv4 identification, which a sender counts up, and how long nothing was sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.cover import cover_of
from analysis.flows.grouping import last_rows
from analysis.flows.sequence import Acknowledgements, SequenceSpace
from analysis.flows.sequence_numbers import run_begins
from analysis.flows.subflows import Subflows
from analysis.flows.tcp_flows import Flows
from analysis.pcap import Packets
from analysis.pcap.columns import I64, Bools, Rows

OVERTAKEN, SPURIOUS, RTO, TLP, FAST, UNKNOWN = range(6)
KINDS = ("overtaken", "spurious", "rto", "tlp", "fast", "unknown")
"""In the order in which they are looked for."""

_RTO_NS = 200_000_000
"""Linux waits no less for an acknowledgement before it sends again on its timer (TCP_RTO_MIN)."""

_PROBE_NS = 2_000_000
"""A tail loss probe (RFC 8985 section 7) comes after two round trips without an acknowledgement, and 2 ms at least."""


@dataclass(frozen=True, eq=False)
class Retransmissions:
    """One element per packet, in order of its `row`; `repeated` are the bytes that are behind others.

    `kind` and `trigger` are numbers of `KINDS`: the trigger is what made the sender do it, needed or not. `before_row`
    is the packet that brought its first byte to the place of capture before (-1: none did), `silent_ns` the time since
    its uniflow's last packet.
    """

    row: Rows
    uniflow: Rows
    repeated: I64
    kind: NDArray[np.uint8]
    trigger: NDArray[np.uint8]
    before_row: Rows
    silent_ns: I64


def find_retransmissions(packets: Packets, flows: Flows, subflows: Subflows, acks: Acknowledgements) -> Retransmissions:
    """All packets that repeat something, or fill a hole."""
    space, uniflow = subflows.space, subflows.uniflow
    index = space.index
    at = np.flatnonzero(space.repeated > 0)
    row, of = index.rows[at], index.uniflow[at]
    before_row = _before(space, at, len(packets))
    seen = before_row >= 0
    silent_ns = packets.time_ns[row] - packets.time_ns[index.rows[at - 1]]  # the first of a uniflow repeats nothing
    end = space.start[at] + space.payload[at]
    last_ack, reached = _reached(packets, acks, space, at)
    furthest = space.start[at] + (space.furthest[at] - packets.seq[row]).astype(np.uint32).view(np.int32)
    ids = (packets.ip_id[row] - packets.ip_id[index.rows[at - 1]]).astype(np.uint16).view(np.int16)
    overtaken = ~seen & (packets.ip_version[row] == 4) & (packets.ip_id[row] > 0) & (ids < 0)
    near = near_receiver(packets, flows, subflows)
    unneeded = (reached >= end) | (near[of] & seen) | _reported_twice(packets, uniflow, row, of)
    first_missing = space.start[at] <= reached
    has_sack = _sacked_above(packets, last_ack, packets.seq[row])
    long_silent = silent_ns >= _RTO_NS
    choices = [
        overtaken,
        first_missing & long_silent,
        (end >= furthest) & ~has_sack & ~long_silent & (silent_ns >= _PROBE_NS),
        has_sack,
    ]
    trigger = np.select(choices, [OVERTAKEN, RTO, TLP, FAST], UNKNOWN).astype(np.uint8)
    # What follows at once, without news from the receiver, belongs to what came before it.
    trigger = _continued(trigger, of, silent_ns)
    kind = np.where(unneeded & ~overtaken, SPURIOUS, trigger).astype(np.uint8)
    order = np.argsort(row, kind="stable")
    return Retransmissions(
        row=row[order],
        uniflow=of[order],
        repeated=space.repeated[at][order],
        kind=kind[order],
        trigger=trigger[order],
        before_row=before_row[order],
        silent_ns=silent_ns[order],
    )


def near_receiver(packets: Packets, flows: Flows, subflows: Subflows) -> Bools:
    """Per uniflow whether it was captured nearer to its receiver: by the handshake, whose longer part is the far one.

    False where the handshake is not there, for then nobody knows.
    """
    answer, third = flows.answer, subflows.established_row
    known = flows.has_syn & (answer >= 0) & (third >= 0)
    time = packets.time_ns
    there = np.where(known, time[np.maximum(answer, 0)] - time[flows.opening], 0)
    back = np.where(known, time[np.maximum(third, 0)] - time[np.maximum(answer, 0)], 0)
    near_opener, near_other = known & (there > back), known & (back > there)
    found = np.zeros(2 * len(flows), np.bool_)
    every = np.arange(len(flows))
    # Odd uniflows are the client's.
    found[2 * every + flows.by_client] = near_other
    found[2 * every + ~flows.by_client] = near_opener
    return found


def _before(space: SequenceSpace, at: Rows, packets: int) -> Rows:
    """The row of the packet that brought the first byte of each of these (places in the index) before, or -1."""
    again = np.zeros(int(space.index.uniflow.max(initial=-1)) + 1, np.bool_)
    again[space.index.uniflow[at]] = True
    carrying = np.flatnonzero((space.payload > 0) & again[space.index.uniflow])
    if not len(at):
        return np.empty(0, np.int64)
    uniflow, rows = space.index.uniflow[carrying], space.index.rows[carrying]
    cover = cover_of(space.start[carrying], space.payload[carrying], run_begins(uniflow), rows, packets)
    came = cover.arrived[cover.first[np.searchsorted(carrying, at)]]
    return np.where(came < space.index.rows[at], came, -1)


def _reached(packets: Packets, acks: Acknowledgements, space: SequenceSpace, at: Rows) -> tuple[Rows, I64]:
    """The last ACK before each packet (its row, or -1), and how far the receiver had acknowledged by then.

    That is counted as `space.start` is, from the uniflow's first packet; -1 where nothing was acknowledged.
    """
    index = space.index
    last = acks.index.last_before(index.uniflow[at] ^ 1, index.rows[at])
    row, reached = np.full(len(at), -1, np.int64), np.full(len(at), -1, np.int64)
    known = np.flatnonzero(last >= 0)
    row[known] = acks.index.rows[last[known]]
    ahead = (acks.furthest[last[known]] - packets.seq[index.rows[at[known]]]).astype(np.uint32).view(np.int32)
    reached[known] = space.start[at[known]] + ahead
    return row, reached


def _sacked_above(packets: Packets, last_ack: Rows, seq: NDArray[np.uint32]) -> Bools:
    """Whether the last ACK before says that something behind each packet has come (RFC 2018)."""
    highest = last_rows(packets.sack.packet, packets.sack.packet, len(packets))
    first = np.searchsorted(packets.sack.packet, np.maximum(last_ack, 0))
    found = np.zeros(len(last_ack), np.bool_)
    some = np.flatnonzero((last_ack >= 0) & (highest[last_ack] >= 0)) if len(packets.sack) else np.empty(0, np.int64)
    for more in range(4):  # blocks that an option has at most
        block = first[some] + more
        here = np.flatnonzero(block < len(packets.sack))
        block = block[here]
        above = packets.sack.packet[block] == last_ack[some[here]]
        above &= (packets.sack.right[block] - seq[some[here]]).astype(np.uint32).view(np.int32) > 0
        found[some[here][above]] = True
    return found


def _reported_twice(packets: Packets, uniflow: Rows, row: Rows, of: Rows) -> Bools:
    """Which packets the receiver says to have had before: a D-SACK that begins where they do comes after them."""
    sack = packets.sack
    behind = (sack.left - packets.ack[sack.packet]).astype(np.uint32).view(np.int32) < 0
    told = np.flatnonzero(run_begins(sack.packet) & behind & (uniflow[sack.packet] >= 0))
    if not len(told):
        return np.zeros(len(row), np.bool_)
    key = (uniflow[sack.packet[told]] ^ 1) << 32 | sack.left[told]
    mine = of << 32 | packets.seq[row]
    order = np.lexsort((sack.packet[told], key))
    at = np.minimum(np.searchsorted(key[order], mine, side="right") - 1, len(order) - 1)
    found: Bools = (at >= 0) & (key[order][at] == mine) & (sack.packet[told][order][at] > row)
    return found


def _continued(kind: NDArray[np.uint8], uniflow: Rows, silent_ns: I64) -> NDArray[np.uint8]:
    """The kinds, where an unknown one has that of the packet before it in its uniflow, if it came right after that."""
    found = kind.copy()
    for place in np.flatnonzero(kind == UNKNOWN).tolist():
        if place and uniflow[place] == uniflow[place - 1] and silent_ns[place] < _PROBE_NS:
            found[place] = found[place - 1]
    return found
