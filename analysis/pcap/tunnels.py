"""Tunnels: the packets inside of IP packets, as balancers and overlays send them.

IP in IP (RFC 2003, 2473, 4213), GRE (RFC 2784, 2890) with IP, MPLS or Ethernet in it, MPLS in IP (RFC 4023), and over
UDP VXLAN (RFC 7348), Geneve (RFC 8926), GUE (draft-ietf-intarea-gue) and IP alone (Linux' FOU). FOU has no port of its
own: there a datagram counts as a tunnel only if it is exactly one IP packet with a right checksum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from analysis.pcap.columns import U8, U16, U32, Bools, Column, Columns, Rows
from analysis.pcap.frames import Frames, gather
from analysis.pcap.link import IPV4, IPV6, Payloads, Tunnel, past_shims
from analysis.pcap.tally import Tally

_IPIP, _TCP, _UDP, _IPV6, _GRE, _MPLS = 4, 6, 17, 41, 47, 137
_IP_TYPES = {_IPIP: IPV4, _IPV6: IPV6, _MPLS: 0x8847}
_BRIDGED, _ERSPAN, _MPLS_TYPE = 0x6558, 0x88BE, 0x8847
_VXLAN_PORTS, _GENEVE_PORT = (4789, 8472), 6081  # 8472: Linux' own before there was one
_GUE_PORTS = (6080, 19523)  # 19523: GitHub's balancer
_UDP_BYTES, _ETHERNET_BYTES, _IPV4_BYTES, _IPV6_BYTES = 8, 14, 20, 40
_IN_FOU = (0, _IPIP, _TCP, _IPV6, 43, 44, 60)  # TCP, IP, or an IPv6 extension header


@dataclass(frozen=True, eq=False)
class Inside(Columns):
    """What follows the IP headers of packets without TCP."""

    frame: Annotated[Rows, Column("row in `Frames`")]
    at: Annotated[Rows, Column("where it starts in the window", "bytes")]
    captured: Annotated[Rows, Column("captured bytes", "bytes")]
    protocol: Annotated[U8, Column("IP protocol")]
    vlan: Annotated[U16, Column("VLAN id")]
    tunnel: Annotated[U8, Column("bits of `Tunnel`")]
    device: Annotated[U32, Column("SLL2: index of the network interface")]
    packet_type: Annotated[U8, Column("SLL, SLL2: who it was for or from")]


class _Found:
    """For each row where the inner packet starts, its EtherType (0: none found), and whether Ethernet is before it."""

    def __init__(self, outer: Inside) -> None:
        self.at = outer.at.copy()
        self.protocol = np.zeros(len(outer), np.uint32)
        self.tunnel = np.zeros(len(outer), np.uint8)
        self.is_bridged = np.zeros(len(outer), np.bool_)

    def set(self, rows: Rows, at: Rows, protocol: U32 | int, tunnel: int) -> None:
        self.at[rows], self.protocol[rows], self.tunnel[rows] = at, protocol, tunnel
        self.is_bridged[rows] = np.asarray(protocol) == _BRIDGED


def inner_packets(data: U8, frames: Frames, outer: Inside, tally: Tally) -> Payloads:
    """The network layer of what is in tunnels; everything else goes into the tally."""
    found = _Found(outer)
    for protocol, ether_type in _IP_TYPES.items():
        rows = np.flatnonzero(outer.protocol == protocol)
        found.set(rows, outer.at[rows], ether_type, 0 if protocol == _MPLS else Tunnel.IP)
    _gre(data, outer, found)
    _udp(data, outer, found)
    snapped = frames.captured[outer.frame] < frames.original[outer.frame]
    end = outer.at + outer.captured
    lacks = (found.protocol > 0) & (found.at + found.is_bridged * _ETHERNET_BYTES > end)
    lacks |= (found.protocol == 0) & (outer.captured < _UDP_BYTES) & snapped & np.isin(outer.protocol, (_GRE, _UDP))
    tally.add_cut(int((lacks & snapped).sum()), captured_whole=int((lacks & ~snapped).sum()))
    _name_others(data, outer, (found.protocol == 0) & ~lacks, tally)

    rows = np.flatnonzero((found.protocol > 0) & ~lacks)
    inner = Payloads(
        frame=outer.frame[rows],
        at=found.at[rows],
        protocol=found.protocol[rows],
        vlan=outer.vlan[rows],
        tunnel=outer.tunnel[rows] | found.tunnel[rows],
        device=outer.device[rows],
        packet_type=outer.packet_type[rows],
    )
    bridged = np.flatnonzero(found.is_bridged[rows])
    inner.protocol[bridged] = gather(data, inner.at[bridged] + _ETHERNET_BYTES - 2, ">u2")
    inner.at[bridged] += _ETHERNET_BYTES
    past_shims(data, frames, inner)
    return inner


def _gre(data: U8, outer: Inside, found: _Found) -> None:
    rows = np.flatnonzero((outer.protocol == _GRE) & (outer.captured >= 4))
    if not len(rows):
        return
    header = gather(data, outer.at[rows], [("flags", ">u2"), ("protocol", ">u2")])
    flags, protocol = header["flags"], header["protocol"].astype(np.uint32)
    size = 4 + 4 * sum((flags & bit > 0).astype(np.int64) for bit in (0x8000, 0x2000, 0x1000))
    # ERSPAN's second version has a header of its own, and a sequence number that tells it from the first.
    is_mirrored = protocol == _ERSPAN
    size += np.where(is_mirrored & (flags & 0x1000 > 0), 8, 0)
    protocol[is_mirrored] = _BRIDGED
    # Version 1 is PPTP's; source routes (0x4000) are no more (RFC 2784).
    known = (flags & 0x4007 == 0) & np.isin(protocol, (IPV4, IPV6, _BRIDGED, _MPLS_TYPE))
    found.set(rows[known], (outer.at[rows] + size)[known], protocol[known], Tunnel.GRE)


def _udp(data: U8, outer: Inside, found: _Found) -> None:
    rows = np.flatnonzero((outer.protocol == _UDP) & (outer.captured >= _UDP_BYTES + 4))
    if not len(rows):
        return
    at = outer.at[rows]
    header = gather(data, at, [("sport", ">u2"), ("dport", ">u2"), ("length", ">u2"), ("checksum", ">u2")])
    port, at = header["dport"], at + _UDP_BYTES
    first, second = data[at], data[at + 1]

    which = np.isin(port, _VXLAN_PORTS) & (first & 0x08 > 0)
    found.set(rows[which], at[which] + 8, _BRIDGED, Tunnel.VXLAN)

    which = (port == _GENEVE_PORT) & (first >> 6 == 0)
    options = (first & 0x3F).astype(np.int64) * 4
    protocol = gather(data, at + 2, ">u2").astype(np.uint32)
    which &= np.isin(protocol, (IPV4, IPV6, _BRIDGED, _MPLS_TYPE))
    found.set(rows[which], (at + 8 + options)[which], protocol[which], Tunnel.GENEVE)

    # GUE, version 0: the upper two bits are 0, no control message (0x20), then the length of what follows the header.
    inner = np.zeros(len(rows), np.uint32)
    for number, ether_type in _IP_TYPES.items():
        inner[second == number] = ether_type
    which = np.isin(port, _GUE_PORTS) & (first & 0xE0 == 0) & (inner > 0)
    extra = (first & 0x1F).astype(np.int64) * 4
    found.set(rows[which], (at + 4 + extra)[which], inner[which], Tunnel.GUE)

    # Its version 1, and FOU: nothing but an IP packet.
    version = first >> 4
    direct = np.flatnonzero((version == 4) | (version == 6))
    length = header["length"][direct].astype(np.int64) - _UDP_BYTES
    room = outer.captured[rows[direct]] - _UDP_BYTES
    which_rows = direct[np.isin(port[direct], _GUE_PORTS) | _is_one_ip_packet(data, at[direct], length, room)]
    protocol = np.where(version[which_rows] == 4, IPV4, IPV6).astype(np.uint32)
    found.set(rows[which_rows], at[which_rows], protocol, Tunnel.GUE)


def _is_one_ip_packet(data: U8, at: Rows, length: Rows, room: Rows) -> Bools:
    """Whether datagrams of these lengths, with so much of them captured, are one IP packet each, by all that tells."""
    is_packet = np.zeros(len(at), np.bool_)
    four = np.flatnonzero((data[at] == 0x45) & (room >= _IPV4_BYTES))
    words = gather(data, at[four], f"V{_IPV4_BYTES}").view(">u2").reshape(-1, _IPV4_BYTES // 2).astype(np.int64)
    total = words.sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    checks = (total & 0xFFFF) + (total >> 16) == 0xFFFF
    is_packet[four] = checks & (words[:, 1] == length[four]) & np.isin(words[:, 4] & 0xFF, _IN_FOU)
    six = np.flatnonzero((data[at] >> 4 == 6) & (room >= _IPV6_BYTES))
    header = gather(data, at[six] + 4, [("length", ">u2"), ("next", "u1")])
    is_packet[six] = (header["length"] + np.int64(_IPV6_BYTES) == length[six]) & np.isin(header["next"], _IN_FOU)
    return is_packet


def _name_others(data: U8, outer: Inside, which: Bools, tally: Tally) -> None:
    udp = np.flatnonzero(which & (outer.protocol == _UDP) & (outer.captured >= 4))
    ports = gather(data, outer.at[udp], [("sport", ">u2"), ("dport", ">u2")])
    tally.add_udp_ports(np.minimum(ports["sport"], ports["dport"]).tolist())
    named = which.copy()
    named[udp] = False
    gre = np.flatnonzero(named & (outer.protocol == _GRE) & (outer.captured >= 4))
    kinds = gather(data, outer.at[gre] + 2, ">u2").tolist()
    for kind in set(kinds):
        tally.add_hiding(f"GRE of EtherType {kind:#06x}", kinds.count(kind))
    named[gre] = False
    tally.add_ip_protocols(outer.protocol[named].tolist())
