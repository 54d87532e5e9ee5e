"""Packets inside of others, made by hand: tunnels of balancers and overlays, labels, PPPoE."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable

OUTER4 = (ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv4Address("192.0.2.2"))
OUTER6 = (ipaddress.IPv6Address("2001:db8:f::1"), ipaddress.IPv6Address("2001:db8:f::2"))
MACS = bytes.fromhex("020000000001020000000002")


def checksum(header: bytes) -> int:
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def ipv4(protocol: int, body: bytes, *, fragment: int = 0) -> bytes:
    start = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 9, fragment, 63, protocol, 0)
    header = start + OUTER4[0].packed + OUTER4[1].packed
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + body


def ipv6(protocol: int, body: bytes) -> bytes:
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 63) + OUTER6[0].packed + OUTER6[1].packed + body


def udp(port: int, body: bytes, *, source: int = 55555) -> bytes:
    return ipv4(17, struct.pack(">HHHH", source, port, 8 + len(body), 0) + body)


def kind(packet: bytes) -> int:
    """The EtherType of an IP packet."""
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def ethernet(packet: bytes, ether_type: int | None = None) -> bytes:
    return MACS + struct.pack(">H", kind(packet) if ether_type is None else ether_type) + packet


def protocol(packet: bytes) -> int:
    """The IP protocol by which an IP packet is in another."""
    return 4 if packet[0] >> 4 == 4 else 41


def with_checksum(packet: bytes) -> bytes:
    """An IPv4 packet of 20 header bytes with its checksum, as it is on the wire."""
    if packet[0] != 0x45:
        return packet
    return packet[:10] + struct.pack(">H", checksum(packet[:10] + bytes(2) + packet[12:20])) + packet[12:]


FRAMES: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "IPIP": (1, lambda p: ethernet(ipv4(protocol(p), p))),
    "in IPv6": (1, lambda p: ethernet(ipv6(protocol(p), p))),
    "GRE": (2, lambda p: ethernet(ipv4(47, struct.pack(">HH", 0, kind(p)) + p))),
    "GRE with all fields": (
        2,
        lambda p: ethernet(ipv4(47, struct.pack(">HHHHII", 0xB000, kind(p), 0xABCD, 0, 7, 8) + p)),
    ),
    "GRE in IPv6": (2, lambda p: ethernet(ipv6(47, struct.pack(">HHI", 0x2000, kind(p), 7) + p))),
    "bridged GRE": (2, lambda p: ethernet(ipv4(47, struct.pack(">HHI", 0x2000, 0x6558, 7) + ethernet(p)))),
    "ERSPAN II": (
        2,
        lambda p: ethernet(ipv4(47, struct.pack(">HHI", 0x1000, 0x88BE, 1) + b"\x10\x01" + bytes(6) + ethernet(p))),
    ),
    "GUE": (4, lambda p: ethernet(udp(6080, bytes([0, protocol(p), 0, 0]) + p))),
    "GUE with data": (4, lambda p: ethernet(udp(19523, bytes([2, protocol(p), 0, 0]) + bytes(8) + p))),
    "direct GUE": (4, lambda p: ethernet(udp(6080, p))),
    "FOU": (4, lambda p: ethernet(udp(5555, with_checksum(p)))),
    "VXLAN": (8, lambda p: ethernet(udp(4789, bytes([8, 0, 0, 0, 0, 0, 9, 0]) + ethernet(p)))),
    "VXLAN of old": (8, lambda p: ethernet(udp(8472, bytes([8, 0, 0, 0, 0, 0, 9, 0]) + ethernet(p)))),
    "tagged VXLAN": (
        8,
        lambda p: ethernet(
            udp(4789, bytes([8, 0, 0, 0, 0, 0, 9, 0]) + ethernet(struct.pack(">HH", 5, kind(p)) + p, 0x8100))
        ),
    ),
    "Geneve": (16, lambda p: ethernet(udp(6081, struct.pack(">BBHI", 2, 0, 0x6558, 9 << 8) + bytes(8) + ethernet(p)))),
    "Geneve of IP": (16, lambda p: ethernet(udp(6081, struct.pack(">BBHI", 0, 0, kind(p), 9 << 8) + p))),
    "MPLS": (32, lambda p: ethernet(bytes.fromhex("00010040 00011140") + p, 0x8847)),
    "MPLS in IP": (32, lambda p: ethernet(ipv4(137, bytes.fromhex("00011140") + p))),
    "PPPoE": (
        64,
        lambda p: ethernet(
            struct.pack(">BBHHH", 0x11, 0, 7, len(p) + 2, 0x21 if kind(p) == 0x0800 else 0x57) + p, 0x8864
        ),
    ),
    "IPIP in GRE": (3, lambda p: ethernet(ipv4(47, struct.pack(">HH", 0, 0x0800) + ipv4(protocol(p), p)))),
    "IPIP in VXLAN": (
        9,
        lambda p: ethernet(udp(4789, bytes([8, 0, 0, 0, 0, 0, 9, 0]) + ethernet(ipv6(protocol(p), p)))),
    ),
}  # fmt: skip
"""How an IP packet becomes a frame: the bits of the column `tunnel`, and the frame."""
