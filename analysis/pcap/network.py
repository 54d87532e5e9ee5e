"""IPv4 and IPv6: where the TCP header starts, and what the IP header says; in tunnels those of the packet inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from analysis.pcap.addresses import Ipv6Numbering
from analysis.pcap.columns import I64, U8, U16, U32, Bools, Column, Columns, Rows
from analysis.pcap.frames import Frames, gather
from analysis.pcap.ipv6_extensions import EXTENSIONS, past_extensions
from analysis.pcap.link import IPV4, IPV6, SHIMS, Payloads
from analysis.pcap.tally import NO_FIT, TOO_DEEP, Tally
from analysis.pcap.tunnels import Inside, inner_packets

TCP_BYTES = 20
"""TCP's header without options."""
LEAST_TCP_BYTES = 14
"""As far as its flags: with so much of it a segment is a row."""
MOST_TUNNELS = 4
"""In one another."""

_TCP = 6
_IN_LATER_FRAGMENTS = (_TCP, *EXTENSIONS)
"""Which name what their datagram begins with: of IPv6 that may be an extension header in front of TCP."""
_LARGEST_SHIM_BYTES = 8

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
    """The TCP segments whose header was captured as far as its flags, in the order of their frames."""

    frame: Annotated[Rows, Column("row in `Frames`")]
    at: Annotated[Rows, Column("where the TCP header starts in the window", "bytes")]
    captured: Annotated[Rows, Column("captured bytes from there on, without what follows the IP packet", "bytes")]
    vlan: Annotated[U16, Column("VLAN id")]
    tunnel: Annotated[U8, Column("what it was found in: bits of `Tunnel`")]
    device: Annotated[U32, Column("SLL2: index of the network interface")]
    packet_type: Annotated[U8, Column("SLL, SLL2: who it was for or from")]
    ip_version: Annotated[U8, Column("4 or 6")]
    tos: Annotated[U8, Column("DSCP and ECN")]
    ttl: Annotated[U8, Column("time to live, hop limit")]
    ip_id: Annotated[U16, Column("identification; IPv6: 0")]
    ident: Annotated[U32, Column("identification of a fragment's datagram")]
    part: Annotated[U16, Column("0x2000: more fragments follow; 0x1FFF: where in the datagram, in units of 8 bytes")]
    src: Annotated[U32, Column("source address")]
    dst: Annotated[U32, Column("destination address")]
    ip_bytes: Annotated[I64, Column("length of the IP packet", "bytes")]
    tcp_bytes: Annotated[I64, Column("length of the TCP segment", "bytes")]


@dataclass(frozen=True)
class Skipped:
    """Frames that are no row: no TCP over IP, later IP fragments, TCP headers that were not captured or do not fit.

    A frame that was cut off before it could tell whether it is TCP counts as `cut`.
    """

    not_tcp: int = 0
    fragments: int = 0
    cut: int = 0


def segments(
    data: U8, frames: Frames, payloads: Payloads, numbering: Ipv6Numbering, tally: Tally
) -> tuple[Segments, list[Segments]]:
    """The TCP segments among the network layer's payloads and in tunnels there, and the later fragments of some.

    The tally gets these and all other payloads.
    """
    parts: list[Segments] = []
    later: list[Segments] = []
    for _ in range(MOST_TUNNELS + 1):
        found, outer, further = _segments(data, frames=frames, payloads=payloads, numbering=numbering, tally=tally)
        parts += found
        later += further
        inner = [inner_packets(data, frames, each, tally) for each in outer]
        if not inner:
            break
        payloads = inner[0] if len(inner) == 1 else Payloads(**Payloads.stack(inner))
    else:
        tally.add_hiding(TOO_DEEP, len(payloads))
    if len(parts) == 1:
        return parts[0], later
    together = Segments(**Segments.stack(parts))
    return together.take(np.argsort(together.frame)), later


def _segments(
    data: U8, frames: Frames, payloads: Payloads, numbering: Ipv6Numbering, tally: Tally
) -> tuple[list[Segments], list[Inside], list[Segments]]:
    """The TCP segments at this depth, the other IP packets, and the later fragments of TCP packets."""
    four = payloads.protocol == IPV4
    if four.all():
        both = [_ipv4(data, _Packets.of(_IPV4_HEADER, frames, payloads, tally))] if len(payloads) else []
    else:
        six = payloads.protocol == IPV6
        both = []
        if four.any():
            both.append(_ipv4(data, _Packets.of(_IPV4_HEADER, frames, payloads.take(np.flatnonzero(four)), tally)))
        if six.any():
            packets = _Packets.of(_IPV6_HEADER, frames, payloads.take(np.flatnonzero(six)), tally)
            both.append(_ipv6(data, packets, numbering))
        _name_the_rest(frames, payloads, np.flatnonzero(~(four | six)), tally)
    split = [_split_tunnelled(frames, each, tally) for each in both]
    return (
        [found for found, _, _ in split if len(found)],
        [outer for _, outer, _ in split if outer is not None],
        [later for _, _, later in split if later is not None],
    )


def _name_the_rest(frames: Frames, payloads: Payloads, rows: Rows, tally: Tally) -> None:
    """What is no IP; a tag that is still there was cut off, or is one too many."""
    kind, frame = payloads.protocol[rows], payloads.frame[rows]
    short = frames.data_at[frame] + frames.captured[frame] - payloads.at[rows] < _LARGEST_SHIM_BYTES
    cut = np.isin(kind, SHIMS) & short & (frames.captured[frame] < frames.original[frame])
    tally.add_cut(int(np.count_nonzero(cut)))
    tally.add_ether_types(kind[~cut].tolist())


@dataclass(frozen=True)
class _Packets:
    """The IP packets of one family: where the link layer has them, where the captured bytes end, bytes on the wire."""

    link: Payloads
    end: Rows
    wire: Rows

    @classmethod
    def of(cls, header: np.dtype[np.void], frames: Frames, found: Payloads, tally: Tally) -> _Packets:
        """Those with a whole IP header."""
        rows = found.frame if len(found) < len(frames) else slice(None)
        data_at = frames.data_at[rows]
        end = data_at + frames.captured[rows]
        wire = frames.original[rows] - (found.at - data_at)
        whole = end - found.at >= header.itemsize
        if whole.all():
            return cls(found, end, wire)
        snapped = int(np.count_nonzero(~whole & (frames.captured[rows] < frames.original[rows])))
        tally.add_cut(snapped)
        tally.add(NO_FIT, int(np.count_nonzero(~whole)) - snapped)
        return cls(found.take(np.flatnonzero(whole)), end[whole], wire[whole])


@dataclass(frozen=True)
class _Parsed:
    """IP packets as if all were TCP, and what each is: its protocol, whether its header can be, whether it has it."""

    packets: Segments
    protocol: U8
    can_be: Bools
    is_first: Bools


def _ipv4(data: U8, packets: _Packets) -> _Parsed:
    link = packets.link
    header = gather(data, link.at, _IPV4_HEADER)
    header_bytes = (header["version_ihl"] & 0x0F).astype(np.int64) * 4
    can_be = (header["version_ihl"] >> 4 == 4) & (header_bytes >= 20)
    # Linux writes a total length of 0 when a burst does not fit in 16 bits; the length on the wire then tells.
    ip_bytes = header["length"].astype(np.int64)
    _measure(ip_bytes, ip_bytes == 0, packets.wire)
    at = link.at + header_bytes
    found = Segments(
        frame=link.frame,
        at=at,
        captured=np.minimum(packets.end, link.at + ip_bytes) - at,
        vlan=link.vlan,
        tunnel=link.tunnel,
        device=link.device,
        packet_type=link.packet_type,
        ip_version=np.full(len(at), 4, np.uint8),
        tos=header["tos"],
        ttl=header["ttl"],
        ip_id=header["id"],
        ident=header["id"],
        part=header["fragment"],
        src=header["src"],
        dst=header["dst"],
        ip_bytes=ip_bytes,
        tcp_bytes=ip_bytes - header_bytes,
    )
    return _Parsed(found, header["protocol"], can_be, header["fragment"] & 0x1FFF == 0)


def _ipv6(data: U8, packets: _Packets, numbering: Ipv6Numbering) -> _Parsed:
    link = packets.link
    header = gather(data, link.at, _IPV6_HEADER)
    # A jumbogram has its length in an option, and Linux leaves that out too: the length on the wire then tells.
    ip_bytes = header["length"].astype(np.int64) + _IPV6_HEADER.itemsize
    _measure(ip_bytes, header["length"] == 0, packets.wire)
    stop = np.minimum(packets.end, link.at + ip_bytes)
    upper = past_extensions(data, link.at + _IPV6_HEADER.itemsize, header["next"].copy(), stop)
    at = upper.at
    can_be = header["start"] >> 28 == 6
    found = Segments(
        frame=link.frame,
        at=at,
        captured=stop - at,
        vlan=link.vlan,
        tunnel=link.tunnel,
        device=link.device,
        packet_type=link.packet_type,
        ip_version=np.full(len(at), 6, np.uint8),
        tos=(header["start"] >> 20).astype(np.uint8),
        ttl=header["hop_limit"],
        ip_id=np.zeros(len(at), np.uint16),
        ident=upper.ident,
        part=upper.part,
        src=np.zeros(len(at), np.uint32),
        dst=np.zeros(len(at), np.uint32),
        ip_bytes=ip_bytes,
        tcp_bytes=ip_bytes - (at - link.at),
    )
    parsed = _Parsed(found, upper.protocol, can_be, ~upper.is_later)
    # Only the addresses of TCP packets get numbers, so those are looked up last.
    addressed = _wanted(parsed) | can_be & upper.is_later & np.isin(upper.protocol, _IN_LATER_FRAGMENTS)
    found.src[addressed] = numbering.numbers(header["src"][addressed])
    found.dst[addressed] = numbering.numbers(header["dst"][addressed])
    return parsed


def _measure(ip_bytes: I64, unsaid: Bools, wire: I64) -> None:
    """Give packets that do not say their length that on the wire (a column of 32 bits has to hold it)."""
    if unsaid.any():
        ip_bytes[unsaid] = np.minimum(wire[unsaid], np.iinfo(np.int32).max)


def _wanted(parsed: _Parsed) -> Bools:
    """Which packets are segments that have a header as far as its flags."""
    found = parsed.packets
    segments = parsed.can_be & (parsed.protocol == _TCP) & parsed.is_first
    wanted: Bools = segments & (found.captured >= TCP_BYTES)
    if not wanted.all():
        wanted = segments & (found.captured >= LEAST_TCP_BYTES) & (found.tcp_bytes >= TCP_BYTES)
    return wanted


def _split_tunnelled(frames: Frames, parsed: _Parsed, tally: Tally) -> tuple[Segments, Inside | None, Segments | None]:
    """The segments, the packets that are none but may be tunnels, and later fragments; others go into the tally."""
    wanted = _wanted(parsed)
    found = parsed.packets
    if wanted.all():
        return found, None, None
    rest = np.flatnonzero(~wanted)
    others, protocol, is_first = found.take(rest), parsed.protocol[rest], parsed.is_first[rest]
    can_be = parsed.can_be[rest]
    tally.add(NO_FIT, int(np.count_nonzero(~can_be)))
    is_tcp = can_be & (protocol == _TCP)
    tally.add_fragments(int(np.count_nonzero(is_tcp & ~is_first)))
    may_be_tcp = is_tcp | can_be & np.isin(protocol, EXTENSIONS) & (others.ip_version == 6)
    further = np.flatnonzero(may_be_tcp & ~is_first)
    # IPv6 extensions that are still there were not captured, as the headers of these segments.
    short = can_be & is_first & ((protocol == _TCP) | np.isin(protocol, EXTENSIONS) & (others.ip_version == 6))
    snapped = frames.captured[others.frame] < frames.original[others.frame]
    lost, unfit = int(np.count_nonzero(short & snapped)), int(np.count_nonzero(short & is_tcp & ~snapped))
    tally.add_cut(lost, captured_whole=unfit)
    tally.add(NO_FIT, int(np.count_nonzero(short & ~is_tcp & ~snapped)))
    later = can_be & ~is_tcp & ~is_first
    tally.add_ip_protocols(protocol[later].tolist(), "later fragments of ")
    left = np.flatnonzero(can_be & is_first & ~short)
    outer = None
    if len(left):
        outer = Inside(
            **{name: getattr(others, name)[left] for name in Inside.types() if name != "protocol"},
            protocol=protocol[left],
        )
    return found.take(np.flatnonzero(wanted)), outer, others.take(further) if len(further) else None
