"""Reinjections: bytes of an MPTCP connection that went over a second subflow as well (RFC 8684 section 3.3.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.cover import Cover
from analysis.flows.one_way import OneWay
from analysis.flows.sequence_numbers import run_begins
from analysis.pcap import SYN, Packets
from analysis.pcap.columns import Bools, Rows


def reinjected_bytes(uniflow: Rows, rows: Rows, cover: Cover, connection: Rows, connections: int) -> NDArray[np.int64]:
    """Per connection and direction (to the client, to the server) the bytes that further subflows carried again.

    Of the packets in `rows` `cover` tells who brought what, `uniflow` is that of every packet, `connection` that of
    each flow. A byte on three subflows counts twice; repeats on the same subflow do not count. Payload whose packet has
    no mapping is left out.
    """
    several = np.bincount(cover.piece)[cover.piece] > 1
    stride = int(uniflow.max(initial=-1)) + 1
    each = np.unique(cover.piece[several] * stride + uniflow[rows[cover.owner[several]]])
    piece, of = np.divmod(each, max(stride, 1))
    further = ~run_begins(piece)
    width = np.diff(cover.edges)[piece[further]]
    group = connection[of[further] >> 1] * 2 + (of[further] & 1)
    return np.bincount(group, width, minlength=2 * connections).astype(np.int64).reshape(connections, 2)


def data_sequence_numbers(packets: Packets, uniflow: Rows) -> tuple[Rows, NDArray[np.uint32]]:
    """The rows of packets whose payload has a mapping, and the low 32 bits of their data sequence numbers.

    A mapping covers a whole burst; each segment of it repeats it, so its place is told by its sequence number.
    """
    dss, known = packets.dss, _mapped(packets, uniflow)
    rows = dss.packet[known]
    relative = packets.seq[rows] - first_numbers(packets, uniflow)[uniflow[rows]]
    shift = (relative - dss.subflow_seq[known]).astype(np.uint32)
    return rows, ((dss.dsn[known] & np.uint64(0xFFFFFFFF)).astype(np.uint32) + shift).astype(np.uint32)


def first_numbers(packets: Packets, uniflow: Rows) -> NDArray[np.uint32]:
    """The initial sequence number of each uniflow.

    Where its SYN was not captured that follows from its mappings, each of which says how far the first byte of a burst
    is from it: from the least of them, for of a burst the first packet alone may be missing. 0 without any.
    """
    first = np.zeros(int(uniflow.max(initial=-1)) + 1, np.uint32)
    known = _mapped(packets, uniflow)
    rows = packets.dss.packet[known]
    of = uniflow[rows]
    told = packets.seq[rows] - packets.dss.subflow_seq[known]
    first[of[::-1]] = told[::-1]
    behind = np.zeros(len(first), np.int64)
    np.minimum.at(behind, of, (told - first[of]).view(np.int32).astype(np.int64))
    first += behind.astype(np.uint32)
    syns = np.flatnonzero(((packets.flags & SYN) != 0) & (uniflow >= 0))
    first[uniflow[syns][::-1]] = packets.seq[syns][::-1]
    return first


def _mapped(packets: Packets, uniflow: Rows) -> Bools:
    """Which DSS options map payload of the packet that they are in."""
    dss = packets.dss
    found: Bools = dss.has_mapping & (dss.data_length > 0)
    found &= (uniflow[dss.packet] >= 0) & (packets.payload_bytes[dss.packet] > 0)
    return found


@dataclass(frozen=True, eq=False)
class Reinjections:
    """One element per packet with bytes that another subflow has brought to the place of capture before, by `row`.

    `bytes` are those that it carries again, `before_row` the packet that brought the first of them. `useful`: 1, if the
    one that came first was sent last; 0, if not; -1: nobody knows when they were sent.
    """

    row: Rows
    bytes: NDArray[np.int64]
    before_row: Rows
    useful: NDArray[np.int64]


def find_reinjections(
    packets: Packets, uniflow: Rows, rows: Rows, cover: Cover, mptcp: Bools, one_way: OneWay | None
) -> Reinjections:
    """The reinjections among the packets in `rows`, of which `cover` tells who brought what first.

    `mptcp` says which flows are of MPTCP.
    """
    came, owner = cover.arrived[cover.piece], cover.owner
    row = rows[owner]
    again = np.flatnonzero(came < row)
    again = again[(uniflow[came[again]] != uniflow[row[again]]) & mptcp[uniflow[row[again]] >> 1]]
    which, first_piece = np.unique(owner[again], return_index=True)
    width = np.diff(cover.edges)[cover.piece[again]]
    length = np.bincount(owner[again], width, minlength=len(rows)).astype(np.int64)[which]
    order = np.argsort(rows[which], kind="stable")
    row, before, length = rows[which][order], came[again[first_piece]][order], length[order]
    useful = np.full(len(row), -1, np.int64)
    if one_way is not None:
        sent = np.full(len(packets), -1, np.int64)
        sent[one_way.row] = packets.time_ns[one_way.row] - one_way.ns
        first, second = sent[before], sent[row]
        useful = np.where((first >= 0) & (second >= 0), (first > second).astype(np.int64), -1)
    return Reinjections(row, length, before, useful)
