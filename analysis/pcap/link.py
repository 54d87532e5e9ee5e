"""The link layer: where in a frame the network layer's header starts, and which protocol it is.

Enters: the frames of a window, the link type of each interface. Leaves: `Payloads`. VLAN tags, LLC with SNAP, MPLS
labels and PPPoE lie between both layers, in frames and in what tunnels carry: `past_shims` passes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from analysis.pcap.columns import I64, U8, U16, U32, Bools, Column, Columns, Rows
from analysis.pcap.frames import Frames, gather

IPV4, IPV6 = 0x0800, 0x86DD
_VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
_MPLS_TYPES = (0x8847, 0x8848)
_PPPOE = 0x8864
_LARGEST_LLC = 1500
"""An EtherType up to this is a length: IEEE 802.3, and LLC follows."""
_MOST_SHIMS = 16
_SNAP = b"\xaa\xaa\x03\0\0\0"
_PPP_TYPES = {0x0021: IPV4, 0x0057: IPV6, 0x0281: _MPLS_TYPES[0], 0x0283: _MPLS_TYPES[1]}
PPP_TYPE = 0x10000
"""PPP protocols that are none of these: added to their number, so that none looks like an EtherType."""
SHIMS = (*_VLAN_TYPES, *_MPLS_TYPES, _PPPOE)


class Tunnel:
    """Bits of the column `tunnel` of `Packets`: what a packet was found in. Plain integers, as those of `Option`."""

    IP = 1 << 0
    GRE = 1 << 1
    GUE = 1 << 2
    VXLAN = 1 << 3
    GENEVE = 1 << 4
    MPLS = 1 << 5
    PPPOE = 1 << 6


TUNNEL_NAMES = {
    Tunnel.IP: "IPIP", Tunnel.GRE: "GRE", Tunnel.GUE: "GUE", Tunnel.VXLAN: "VXLAN", Tunnel.GENEVE: "Geneve",
    Tunnel.MPLS: "MPLS", Tunnel.PPPOE: "PPPoE",
}  # fmt: skip


def tunnel_name(bits: int) -> str:
    """What bits of `Tunnel` stand for, such as `IPIP` or `IPIP and GRE`; "" for none."""
    return " and ".join(name for bit, name in TUNNEL_NAMES.items() if bits & bit)


@dataclass(frozen=True)
class _Header:
    """A link-layer header: its length, and where in it the protocol's number (an EtherType) stands."""

    size: int
    protocol_at: int


_SLL, _SLL2 = 113, 276
_HEADERS = {1: _Header(14, 12), _SLL: _Header(16, 14), _SLL2: _Header(20, 0), 104: _Header(4, 2)}  # 104: Cisco HDLC
_RAW_IP = {12, 14, 101, 228, 229}
_FAMILY = {0, 108}  # NULL, LOOP: an address family in 4 bytes
# PPP with and without the bytes FF 03 before it; in RFC 1662's framing; in PPPoE; with a byte for the direction.
_PPP, _PPP_HDLC, _PPP_ETHER, _PPP_DIRECTED, _PPP_WITH_DIRECTION = 9, 50, 51, 166, 204
_PPPS = {_PPP, _PPP_HDLC, _PPP_ETHER, _PPP_DIRECTED, _PPP_WITH_DIRECTION}
LINK_TYPES = frozenset(_HEADERS) | _RAW_IP | _FAMILY | _PPPS
"""The link types (www.tcpdump.org/linktypes.html) that can be decoded."""

_FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}
"""AF_INET everywhere; AF_INET6 of Linux, of NetBSD and OpenBSD, of FreeBSD, of macOS."""


@dataclass(frozen=True, eq=False)
class Payloads(Columns):
    """The network layer of those frames that have one, in the order of the frames."""

    frame: Annotated[Rows, Column("row in `Frames`")]
    at: Annotated[Rows, Column("where the network layer's header starts in the window", "bytes")]
    protocol: Annotated[U32, Column("EtherType, or a PPP protocol and 0x10000")]
    vlan: Annotated[U16, Column("VLAN id of the outermost tag; 0: no tag")]
    tunnel: Annotated[U8, Column("what it was found in: bits of `Tunnel`")]
    device: Annotated[U32, Column("SLL2: index of the network interface")]
    packet_type: Annotated[U8, Column("SLL, SLL2: who it was for or from")]

    @classmethod
    def of(cls, frame: Rows, at: Rows, protocol: U32) -> Payloads:
        """Without any tag."""
        count = len(frame)
        small = np.zeros(count, np.uint8)
        return cls(
            frame=frame,
            at=at,
            protocol=protocol,
            vlan=np.zeros(count, np.uint16),
            tunnel=small,
            device=np.zeros(count, np.uint32),
            packet_type=small.copy(),
        )


def network_payloads(data: U8, frames: Frames, link_types: I64) -> Payloads:
    """The network layer of the frames in a window's `data`; `link_types` by interface. Others are left out."""
    link_type = link_types[frames.interface] if len(link_types) > 1 else None
    parts = []
    for number in set(
        link_types.tolist()
    ):  # np.unique would load numpy.ma, as long as a capture of 30,000 packets takes
        rows = np.arange(len(frames)) if link_type is None else np.flatnonzero(link_type == number)
        if number in _HEADERS:
            parts.append(_with_header(data, frames, rows, number))
        elif number in _RAW_IP:
            parts.append(_raw(data, frames, rows))
        elif number in _FAMILY:
            parts.append(_by_family(data, frames, rows))
        elif number in _PPPS:
            parts.append(_ppp(data, frames, rows, number))
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    joined = Payloads(**Payloads.stack(parts))
    order = np.argsort(joined.frame)
    return joined.take(order)


def _with_header(data: U8, frames: Frames, rows: Rows, link_type: int) -> Payloads:
    header = _HEADERS[link_type]
    rows = _where(rows, frames.captured[rows] >= header.size)
    at = frames.data_at[rows]
    found = Payloads.of(rows, at + header.size, gather(data, at + header.protocol_at, ">u2").astype(np.uint32))
    if link_type == _SLL2:
        found.device[:] = gather(data, at + 4, ">u4")
        found.packet_type[:] = data[at + 10]
    elif link_type == _SLL:
        found.packet_type[:] = data[at + 1]
    past_shims(data, frames, found)
    return found


def _raw(data: U8, frames: Frames, rows: Rows) -> Payloads:
    rows = _where(rows, frames.captured[rows] >= 1)
    at = frames.data_at[rows]
    return Payloads.of(rows, at, _by_version(data, at))


def _by_version(data: U8, at: Rows) -> U32:
    """IPv4 or IPv6, by the first half byte of the header; 0: neither."""
    version = data[at] >> 4
    return np.select([version == 4, version == 6], [IPV4, IPV6], 0).astype(np.uint32)


def _by_family(data: U8, frames: Frames, rows: Rows) -> Payloads:
    rows = _where(rows, frames.captured[rows] >= 4)
    at = frames.data_at[rows]
    # NULL has the family in the byte order of the machine that captured; no family has a number beyond 16 bits.
    family = np.minimum(gather(data, at, "<u4"), gather(data, at, ">u4"))
    protocol = np.zeros(len(rows), np.uint32)
    for number, protocol_ in _FAMILIES.items():
        protocol[family == number] = protocol_
    return Payloads.of(rows, at + 4, protocol)


def _ppp(data: U8, frames: Frames, rows: Rows, link_type: int) -> Payloads:
    skip = {_PPP_ETHER: 6, _PPP_WITH_DIRECTION: 1, _PPP_DIRECTED: 2}.get(link_type, 0)
    rows = _where(rows, frames.captured[rows] >= skip + 4)
    at = frames.data_at[rows] + skip
    first, second = data[at], data[at + 1]
    if link_type == _PPP_HDLC:  # Cisco's framing may stand in the same file: an address, 0, an EtherType
        cisco = ((first == 0x0F) | (first == 0x8F)) & (second == 0)
    else:
        cisco = np.zeros(len(rows), np.bool_)
    at += np.where((first == 0xFF) & (second == 0x03), 2, 0)
    protocol = np.where(cisco, gather(data, at + 2, ">u2"), _ppp_protocol(data, at)).astype(np.uint32)
    # An odd first byte is the whole of a compressed protocol number (RFC 1661 section 6.5).
    size = np.where(cisco, 4, np.where(data[at] & 1, 1, 2))
    found = Payloads.of(rows, at + size, protocol)
    if link_type == _PPP_ETHER:
        found.tunnel[:] = Tunnel.PPPOE
    past_shims(data, frames, found)
    return found


def _ppp_protocol(data: U8, at: Rows) -> U32:
    number = np.where(data[at] & 1, data[at], gather(data, at, ">u2")).astype(np.uint32)
    protocol = number + np.uint32(PPP_TYPE)
    for ppp, protocol_ in _PPP_TYPES.items():
        protocol[number == ppp] = protocol_
    return protocol


def past_shims(data: U8, frames: Frames, found: Payloads) -> None:
    """Move `at` and `protocol` past VLAN tags, SNAP, MPLS labels and PPPoE; `vlan` and `tunnel` say what there was."""
    protocol, at = found.protocol, found.at
    if (protocol == IPV4).all():  # as of most captures
        return
    left = np.flatnonzero((protocol != IPV4) & (protocol != IPV6))
    for _ in range(_MOST_SHIMS):
        kind = protocol[left]
        left = left[np.isin(kind, SHIMS) | (kind <= _LARGEST_LLC)]
        if not len(left):
            return
        rows = found.frame[left]
        room = frames.data_at[rows] + frames.captured[rows] - at[left]
        kind = protocol[left]
        moved = [
            _past_tags(data, found, left[np.isin(kind, _VLAN_TYPES) & (room >= 4)]),
            _past_labels(data, found, left[np.isin(kind, _MPLS_TYPES) & (room >= 5)]),
            _past_pppoe(data, found, left[(kind == _PPPOE) & (room >= 8)]),
            _past_snap(data, found, left[(kind <= _LARGEST_LLC) & (room >= 8)]),
        ]
        left = np.concatenate(moved)


def _past_tags(data: U8, found: Payloads, rows: Rows) -> Rows:
    tag = gather(data, found.at[rows], [("control", ">u2"), ("protocol", ">u2")])
    found.vlan[rows] = np.where(found.vlan[rows], found.vlan[rows], tag["control"] & 0x0FFF)
    found.protocol[rows] = tag["protocol"]
    found.at[rows] += 4
    return rows


def _past_labels(data: U8, found: Payloads, rows: Rows) -> Rows:
    """One label each; what follows the last one only its first half byte tells (RFC 4928)."""
    is_last = data[found.at[rows] + 2] & 1 != 0
    inner = _by_version(data, found.at[rows] + 4)
    found.tunnel[rows] |= Tunnel.MPLS
    passed: Rows = rows[~is_last | (inner > 0)]
    known = is_last & (inner > 0)
    found.protocol[rows[known]] = inner[known]
    found.at[passed] += 4
    return passed


def _past_pppoe(data: U8, found: Payloads, rows: Rows) -> Rows:
    at = found.at[rows] + 6
    found.protocol[rows] = _ppp_protocol(data, at)
    found.at[rows] = at + np.where(data[at] & 1, 1, 2)
    found.tunnel[rows] |= Tunnel.PPPOE
    return rows


def _past_snap(data: U8, found: Payloads, rows: Rows) -> Rows:
    header = gather(data, found.at[rows], [("snap", "V6"), ("protocol", ">u2")])
    is_snap = header["snap"] == np.void(_SNAP)
    rows = rows[is_snap]
    found.protocol[rows] = header["protocol"][is_snap]
    found.at[rows] += 8
    return rows


def _where(rows: Rows, wanted: Bools) -> Rows:
    return rows if wanted.all() else rows[wanted]
