"""IP fragments (RFC 791, RFC 8200 section 4.5): the payload of a TCP segment that came in several IP packets.

The first fragment has the TCP header and is a row of `Packets`; what the later ones carry counts there. They are those
of the same datagram at the same place: between the same addresses, with the same identification, within a minute. One
whose first fragment was not captured counts nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from analysis.pcap.columns import I64, U8, U16, U32, Bools, Column, Columns, Rows
from analysis.pcap.frames import Frames
from analysis.pcap.network import Segments

_MORE, _PLACE = 0x2000, 0x1FFF
_LARGEST_DATAGRAM_BYTES = 65_535
_TIMEOUT_NS = 60_000_000_000
"""An identification comes again; so long a receiver waits for the rest of a datagram (RFC 8200)."""


@dataclass(frozen=True, eq=False)
class Fragments(Columns):
    """The fragments of TCP segments, in the order of their frames."""

    packet: Annotated[Rows, Column("row in `Packets`; -1: a later fragment")]
    frame: Annotated[U32, Column("number of the frame in its file")]
    time_ns: Annotated[I64, Column("time since the epoch", "ns")]
    interface: Annotated[U16, Column("number of the interface")]
    vlan: Annotated[U16, Column("VLAN id")]
    tunnel: Annotated[U8, Column("what it was found in: bits of `Tunnel`")]
    device: Annotated[U32, Column("SLL2: index of the network interface")]
    packet_type: Annotated[U8, Column("SLL, SLL2: who it was for or from")]
    ip_version: Annotated[U8, Column("4 or 6")]
    ttl: Annotated[U8, Column("time to live, hop limit")]
    src: Annotated[U32, Column("source address")]
    dst: Annotated[U32, Column("destination address")]
    ident: Annotated[U32, Column("identification of the datagram")]
    offset: Annotated[I64, Column("where its part of the segment begins in the datagram", "bytes")]
    size: Annotated[I64, Column("bytes of the segment on the wire", "bytes")]
    captured: Annotated[I64, Column("captured bytes of it", "bytes")]


_OF_SEGMENT = ("vlan", "tunnel", "device", "packet_type", "ip_version", "ttl", "src", "dst", "ident", "captured")
_OF_DATAGRAM = (
    "interface", "vlan", "tunnel", "device", "packet_type", "ip_version", "ttl", "src", "dst", "ident",
)  # fmt: skip


def fragments_of(found: Segments, later: list[Segments], frames: Frames, records: int) -> Fragments:
    """The fragments among the segments of one window, and the later ones; `records` frames came before the window."""
    first = np.flatnonzero(found.part & _MORE)
    if not len(first) and not later:
        return Fragments.empty()
    both = [found.take(first), *later]
    rows = np.concatenate([first, *(np.full(len(each), -1, np.int64) for each in later)])
    all_of = Segments(**Segments.stack(both))
    order = np.argsort(all_of.frame, kind="stable")
    all_of = all_of.take(order)
    return Fragments(
        packet=rows[order],
        frame=(all_of.frame + (records + 1)).astype(np.uint32),
        time_ns=frames.time_ns[all_of.frame],
        interface=frames.interface[all_of.frame],
        offset=(all_of.part & _PLACE).astype(np.int64) * 8,
        size=all_of.tcp_bytes,
        **{name: getattr(all_of, name) for name in _OF_SEGMENT},
    )


def lengths(fragments: Fragments) -> tuple[Rows, I64, I64]:
    """Rows in `Packets`, how long the segment of each is, and how many bytes of it the later fragments brought."""
    fits = fragments.offset + fragments.size <= _LARGEST_DATAGRAM_BYTES
    fragments = fragments.take(np.flatnonzero(fits))
    keys = [getattr(fragments, name) for name in _OF_DATAGRAM]
    fragments = fragments.take(np.lexsort((fragments.frame, *keys)))
    datagram, count = _datagrams(fragments)
    is_first = fragments.packet >= 0
    known = np.flatnonzero(datagram >= 0)
    end, captured = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.maximum.at(end, datagram[known], (fragments.offset + fragments.size)[known])
    further = known[~is_first[known]]
    np.add.at(captured, datagram[further], np.maximum(fragments.captured[further], 0))
    first = np.flatnonzero(is_first)
    of = datagram[first]
    return fragments.packet[first], end[of] - fragments.offset[first], captured[of]


def _datagrams(fragments: Fragments) -> tuple[Rows, int]:
    """The number of each fragment's datagram (-1: none), and how many there are.

    A later fragment is of the datagram that began last, or of the next if that one has this part already or there is
    none: a sender may begin with the last fragment. First fragments in a row are copies of one if the segment is at
    the same place in both, and as long: behind other extension headers it is another's.
    """
    is_first, time_ns = fragments.packet >= 0, fragments.time_ns
    alike = np.ones(len(fragments), np.bool_)
    alike[:1] = False
    for name in _OF_DATAGRAM:
        column = getattr(fragments, name)
        alike[1:] &= column[1:] == column[:-1]
    group = np.cumsum(~alike)
    copies = alike.copy()
    copies[1:] &= is_first[:-1]
    for name in ("offset", "size"):
        column = getattr(fragments, name)
        copies[1:] &= column[1:] == column[:-1]
    begins = is_first & ~copies
    start = np.flatnonzero(begins)
    last = np.cumsum(begins) - 1

    def near(number: Rows) -> Bools:
        at = start[np.clip(number, 0, len(start) - 1)]
        there = (number >= 0) & (number < len(start)) & (group[at] == group)
        found: Bools = there & (np.abs(time_ns[at] - time_ns) <= _TIMEOUT_NS)
        return found

    if not len(start):
        return np.full(len(fragments), -1, np.int64), 0
    has_next = near(last + 1)
    found = np.where(is_first | near(last), last, np.where(has_next, last + 1, -1))
    again = _again(found, fragments.offset, ~is_first)
    found[again] = np.where(has_next[again] & (found[again] == last[again]), last[again] + 1, -1)
    found[_again(found, fragments.offset, ~is_first)] = -1
    return found, len(start)


def _again(datagram: Rows, offset: I64, which: Bools) -> Rows:
    """Those places in their datagram at which one before them is, too."""
    rows = np.flatnonzero(which & (datagram >= 0))
    order = rows[np.lexsort((rows, offset[rows], datagram[rows]))]
    same = (datagram[order][1:] == datagram[order][:-1]) & (offset[order][1:] == offset[order][:-1])
    found: Rows = order[1:][same]
    return found
