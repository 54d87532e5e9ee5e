"""Bytes in the order in which the application gets them: how long each waited for what is before it.

Enters: packets with their flow and connection. Leaves: `Pieces`, runs of bytes of a connection that came in one packet
and could be delivered by one: an MPTCP connection's by their data sequence numbers (RFC 8684 section 3.3.1), over all
its subflows; those of plain TCP by their sequence numbers. The wait between is head-of-line blocking, what waits is
what the receiver keeps in its reordering buffer. At the receiver's own place that is its own; elsewhere it is what it
would be there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.flows.cover import Cover, cover_of
from analysis.flows.reinjection import data_sequence_numbers
from analysis.flows.sequence_numbers import run_begins, unwrap
from analysis.pcap import RST, Packets
from analysis.pcap.columns import I64, Bools, Rows


@dataclass(frozen=True, eq=False)
class Carried:
    """The rows of packets with payload whose place is known, by group and time, and what of it each brought first."""

    row: Rows
    cover: Cover


@dataclass(frozen=True, eq=False)
class Pieces:
    """Runs of bytes that came, each once, in order of group and position.

    `group` is 2 * connection + direction, `length` in bytes, `arrived` the row of the packet that brought it first,
    `delivered` that of the packet by which all before it had come, too (`rows`, the number of packets: none). `carried`
    is what they were made of.
    """

    group: Rows
    length: I64
    arrived: Rows
    delivered: Rows
    rows: int
    carried: Carried

    @property
    def is_delivered(self) -> Bools:
        """Which pieces could be delivered before the captures end."""
        found: Bools = self.delivered < self.rows
        return found

    @property
    def is_late(self) -> Bools:
        """Which of them had to wait for what is before them."""
        found: Bools = self.is_delivered & (self.delivered > self.arrived)
        return found

    def wait_ns(self, time_ns: I64) -> I64:
        """How long each waited; 0 for those that were never delivered."""
        wait = np.zeros(len(self.group), np.int64)
        late = np.flatnonzero(self.is_late)
        wait[late] = time_ns[self.delivered[late]] - time_ns[self.arrived[late]]
        return wait


def find_pieces(packets: Packets, uniflow: Rows, connection: Rows, mptcp: Bools) -> Pieces:
    """The pieces of every connection and direction.

    `uniflow` is that of each packet, `connection` the number of each flow's in the tables (-1: none), `mptcp` which
    flows carry data sequence numbers: what has none there is left out.
    """
    rows, number = positions(packets, uniflow, mptcp)
    known = connection[uniflow[rows] >> 1] >= 0
    rows, number = rows[known], number[known]
    group = connection[uniflow[rows] >> 1] * 2 + (uniflow[rows] & 1)
    order = np.argsort(group, kind="stable")
    rows, number, group = rows[order], number[order], group[order]
    begins = run_begins(group)
    length = packets.payload_bytes[rows].astype(np.int64)
    never = len(packets)
    cover = cover_of(unwrap(number, begins), length, begins, rows, never)
    run = np.searchsorted(cover.base, cover.edges[:-1], side="right") - 1
    stride = never + 1
    arrived = cover.arrived
    delivered = np.maximum.accumulate(arrived + run * stride) - run * stride if len(arrived) else arrived
    there = np.flatnonzero(arrived < never)
    return Pieces(
        group=group[begins][run[there]],
        length=np.diff(cover.edges)[there],
        arrived=arrived[there],
        delivered=delivered[there],
        rows=never,
        carried=Carried(rows, cover),
    )


def positions(packets: Packets, uniflow: Rows, mptcp: Bools) -> tuple[Rows, NDArray[np.uint32]]:
    """The rows of packets with payload, ascending, and where it begins: a number of 32 bits."""
    mapped, dsn = data_sequence_numbers(packets, uniflow)
    mapped, place = np.unique(mapped, return_index=True)
    dsn = dsn[place]
    of_mptcp = mptcp[uniflow[mapped] >> 1]
    carrying = (packets.payload_bytes > 0) & (uniflow >= 0) & ((packets.flags & RST) == 0)
    plain = np.flatnonzero(carrying & ~mptcp[uniflow >> 1])
    rows = np.concatenate([mapped[of_mptcp], plain])
    number = np.concatenate([dsn[of_mptcp], packets.seq[plain]])
    order = np.argsort(rows, kind="stable")
    return rows[order], number[order]


@dataclass(frozen=True, eq=False)
class Waiting:
    """What each group (2 * connection + direction) had to wait; arrays as long as there are groups.

    `bytes` came in all, `late_bytes` of them waited, `lost_bytes` waited for something that never came. `byte_s` is the
    sum of bytes times seconds, `behind_byte_s` the part of it that ended with a packet of the initial subflow while the
    byte had come on another one. `longest_ns`, and `most_bytes`, the largest that the reordering buffer was.
    """

    bytes: I64
    late_bytes: I64
    lost_bytes: I64
    byte_s: NDArray[np.float64]
    behind_byte_s: NDArray[np.float64]
    longest_ns: I64
    most_bytes: I64


def waiting(pieces: Pieces, time_ns: I64, flow: Rows, initial: Bools, groups: int) -> Waiting:
    """The waits of each group; `flow` is that of each packet, `initial` which flows opened their connection."""
    late = pieces.is_late
    wait_ns = pieces.wait_ns(time_ns)
    byte_s = pieces.length * (wait_ns / 1e9)
    at = np.flatnonzero(late)
    behind = np.zeros(len(late), np.bool_)
    behind[at] = initial[flow[pieces.delivered[at]]] & ~initial[flow[pieces.arrived[at]]]
    longest = np.zeros(groups, np.int64)
    np.maximum.at(longest, pieces.group, wait_ns)

    def total(which: Bools | None, values: NDArray[Any]) -> NDArray[np.float64]:
        chosen = slice(None) if which is None else which
        return np.bincount(pieces.group[chosen], values[chosen], minlength=groups).astype(np.float64)

    _, of, held = held_bytes(pieces)
    most = np.zeros(groups, np.int64)
    np.maximum.at(most, of, held)
    return Waiting(
        bytes=total(None, pieces.length).astype(np.int64),
        late_bytes=total(late, pieces.length).astype(np.int64),
        lost_bytes=total(~pieces.is_delivered, pieces.length).astype(np.int64),
        byte_s=total(late, byte_s),
        behind_byte_s=total(behind, byte_s),
        longest_ns=longest,
        most_bytes=most,
    )


def held_bytes(pieces: Pieces) -> tuple[Rows, Rows, I64]:
    """How much each group's reordering buffer holds after the packets that change it: row, group, bytes; by both."""
    kept = np.flatnonzero(pieces.delivered > pieces.arrived)
    gone = kept[pieces.is_delivered[kept]]
    row = np.concatenate([pieces.arrived[kept], pieces.delivered[gone]])
    group = np.concatenate([pieces.group[kept], pieces.group[gone]])
    change = np.concatenate([pieces.length[kept], -pieces.length[gone]])
    order = np.lexsort((row, group))
    row, group = row[order], group[order]
    held = np.cumsum(change[order])  # each group's sum before its first change: what the groups before have left
    begins = run_begins(group)
    before = np.concatenate([[0], held[:-1]])[begins] if len(held) else held
    held = held - before[np.cumsum(begins) - 1]
    last = np.roll(run_begins(row, group), -1)
    return row[last], group[last], held[last]
