"""IPv4 and IPv6: where the TCP header starts, and what the IP header says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from analysis.pcap.addresses import Ipv6Numbering
from analysis.pcap.columns import I64, U8, U16, U32, Bools, Column, Columns, Rows
from analysis.pcap.frames import Frames, gather
from analysis.pcap.link import IPV4, IPV6, Payloads

TCP_BYTES = 20
"""TCP's header without options."""

_TCP = 6
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS, _MOBILITY, _HIP, _SHIM6 = 0, 43, 44, 51, 60, 135, 139, 140
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS, _MOBILITY, _HIP, _SHIM6)
_MOST_EXTENSIONS = 16

_IPV4_HEADER = np.dtype(
    [
        ("version_ihl", "u1"), ("tos", "u1"), ("length", ">u2"), ("id", ">u2"), ("fragment", ">u2"),
        ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
    ]
)  # fmt: skip
_IPV6_HEADER = np.dtype(
    [("start", ">u4"), ("length", ">u2"), ("next", "u1"), ("hop_limit", "u1"), ("src", "V16"), ("dst", "V16")]
)


@dataclass(frozen=True, eq=False)
class Segments(Columns):
    """The TCP segments whose header without options was captured, in the order of their frames."""

    frame: Annotated[Rows, Column("row in `Frames`")]
    at: Annotated[Rows, Column("where the TCP header starts in the window", "bytes")]
    captured: Annotated[Rows, Column("captured bytes from there on, without what follows the IP packet", "bytes")]
    vlan: Annotated[U16, Column("VLAN id")]
    ip_version: Annotated[U8, Column("4 or 6")]
    tos: Annotated[U8, Column("DSCP and ECN")]
    ttl: Annotated[U8, Column("time to live, hop limit")]
    ip_id: Annotated[U16, Column("identification; IPv6: 0")]
    src: Annotated[U32, Column("source address")]
    dst: Annotated[U32, Column("destination address")]
    ip_bytes: Annotated[I64, Column("length of the IP packet", "bytes")]
    tcp_bytes: Annotated[I64, Column("length of the TCP segment", "bytes")]


@dataclass(frozen=True)
class Skipped:
    """Frames that are no row: no TCP over IP, later IP fragments, TCP headers that were not captured or do not fit."""

    not_tcp: int = 0
    fragments: int = 0
    cut: int = 0


def segments(data: U8, frames: Frames, payloads: Payloads, numbering: Ipv6Numbering) -> tuple[Segments, Skipped]:
    """The TCP segments among the network layer's payloads, and how many frames have none."""
    four, fragments, cut = _ipv4(data, _Packets.of(IPV4, _IPV4_HEADER, frames, payloads))
    found = four
    if (payloads.protocol == IPV6).any():
        six, later, short = _ipv6(data, _Packets.of(IPV6, _IPV6_HEADER, frames, payloads), numbering)
        found, fragments, cut = six, fragments + later, cut + short
        if len(four):
            both = Segments(**Segments.stack([four, six]))
            order = np.argsort(both.frame)
            found = both.take(order)
    return found, Skipped(len(frames) - len(found) - fragments - cut, fragments, cut)


@dataclass(frozen=True)
class _Packets:
    """The IP packets of one family: their frames, where they start, where the captured bytes end, bytes on the wire."""

    frame: Rows
    vlan: U16
    at: Rows
    end: Rows
    wire: Rows

    @classmethod
    def of(cls, protocol: int, header: np.dtype[np.void], frames: Frames, payloads: Payloads) -> _Packets:
        """Those with a whole IP header."""
        wanted = payloads.protocol == protocol
        found = payloads if wanted.all() else payloads.take(np.flatnonzero(wanted))
        rows = found.frame if len(found) < len(frames) else slice(None)
        data_at = frames.data_at[rows]
        end = data_at + frames.captured[rows]
        whole = end - found.at >= header.itemsize
        packets = cls(found.frame, found.vlan, found.at, end, frames.original[rows] - (found.at - data_at))
        if whole.all():
            return packets
        return cls(*(getattr(packets, each.name)[whole] for each in dataclasses.fields(cls)))


def _ipv4(data: U8, packets: _Packets) -> tuple[Segments, int, int]:
    header = gather(data, packets.at, _IPV4_HEADER)
    header_bytes = (header["version_ihl"] & 0x0F).astype(np.int64) * 4
    is_tcp = (header["version_ihl"] >> 4 == 4) & (header_bytes >= 20) & (header["protocol"] == _TCP)
    is_first = header["fragment"] & 0x1FFF == 0
    # Linux writes a total length of 0 when a burst does not fit in 16 bits; the length on the wire then tells.
    ip_bytes = header["length"].astype(np.int64)
    _measure(ip_bytes, ip_bytes == 0, packets.wire)
    at = packets.at + header_bytes
    found = Segments(
        frame=packets.frame,
        at=at,
        captured=np.minimum(packets.end, packets.at + ip_bytes) - at,
        vlan=packets.vlan,
        ip_version=np.full(len(at), 4, np.uint8),
        tos=header["tos"],
        ttl=header["ttl"],
        ip_id=header["id"],
        src=header["src"],
        dst=header["dst"],
        ip_bytes=ip_bytes,
        tcp_bytes=ip_bytes - header_bytes,
    )
    return _sort_out(found, is_tcp, is_first)


def _ipv6(data: U8, packets: _Packets, numbering: Ipv6Numbering) -> tuple[Segments, int, int]:
    header = gather(data, packets.at, _IPV6_HEADER)
    # A jumbogram has its length in an option, and Linux leaves that out too: the length on the wire then tells.
    ip_bytes = header["length"].astype(np.int64) + _IPV6_HEADER.itemsize
    _measure(ip_bytes, header["length"] == 0, packets.wire)
    stop = np.minimum(packets.end, packets.at + ip_bytes)
    protocol, at, is_later = _past_extensions(data, packets.at + _IPV6_HEADER.itemsize, header["next"].copy(), stop)
    is_tcp = (header["start"] >> 28 == 6) & (protocol == _TCP)
    found = Segments(
        frame=packets.frame,
        at=at,
        captured=stop - at,
        vlan=packets.vlan,
        ip_version=np.full(len(at), 6, np.uint8),
        tos=(header["start"] >> 20).astype(np.uint8),
        ttl=header["hop_limit"],
        ip_id=np.zeros(len(at), np.uint16),
        src=np.zeros(len(at), np.uint32),
        dst=np.zeros(len(at), np.uint32),
        ip_bytes=ip_bytes,
        tcp_bytes=ip_bytes - (at - packets.at),
    )
    # Only the addresses of TCP packets get numbers, so those are looked up last.
    addressed = is_tcp & ~is_later & (found.captured >= TCP_BYTES)
    found.src[addressed] = numbering.numbers(header["src"][addressed])
    found.dst[addressed] = numbering.numbers(header["dst"][addressed])
    return _sort_out(found, is_tcp, ~is_later)


def _measure(ip_bytes: I64, unsaid: Bools, wire: I64) -> None:
    """Give packets that do not say their length that on the wire (a column of 32 bits has to hold it)."""
    if unsaid.any():
        ip_bytes[unsaid] = np.minimum(wire[unsaid], np.iinfo(np.int32).max)


def _sort_out(found: Segments, is_tcp: Bools, is_first: Bools) -> tuple[Segments, int, int]:
    """The segments whose header is there, how many are later fragments, and how many are cut short."""
    wanted = is_tcp & is_first & (found.captured >= TCP_BYTES)
    if wanted.all():
        return found, 0, 0
    fragments = int(np.count_nonzero(is_tcp & ~is_first))
    cut = int(np.count_nonzero(is_tcp & is_first)) - int(np.count_nonzero(wanted))
    return found.take(np.flatnonzero(wanted)), fragments, cut


def _past_extensions(data: U8, at: Rows, protocol: U8, stop: Rows) -> tuple[U8, Rows, Bools]:
    """What follows the extension headers: its protocol, where it starts, and whether a later fragment holds it."""
    is_later = np.zeros(len(at), np.bool_)
    for _ in range(_MOST_EXTENSIONS):
        rows = np.flatnonzero(np.isin(protocol, _EXTENSIONS) & (at + 8 <= stop) & ~is_later)
        if not len(rows):
            break
        start = gather(data, at[rows], [("next", "u1"), ("size", "u1"), ("fragment", ">u2")])
        kind = protocol[rows]
        size = np.where(kind == _AUTHENTICATION, (start["size"].astype(np.int64) + 2) * 4, 0)
        size = np.where(size == 0, (start["size"].astype(np.int64) + 1) * 8, size)
        size[kind == _FRAGMENT] = 8
        is_later[rows] = (kind == _FRAGMENT) & (start["fragment"] & 0xFFF8 != 0)
        protocol[rows] = start["next"]
        at[rows] += size
    return protocol, at, is_later
