"""Real packets by hand: Ethernet, IPv4, TCP and MPTCP options with struct, and pcap files of them."""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from pathlib import Path

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

CLIENT = "10.0.1.2"
CLIENT_DIRECT = "10.0.3.2"
VIP = "10.0.1.80"
UNIQUE = "10.0.3.101"
MSS = bytes([2, 4, 5, 0xB4])
TIMESTAMPS = bytes([1, 1, 8, 10]) + bytes(8)


def mp_capable(key: bytes = b"", *, version: int = 1, flags: int = 0x01) -> bytes:
    body = bytes([version, flags]) + key
    return bytes([30, 2 + len(body)]) + body


def mp_join_syn(token: int, *, address_id: int = 1) -> bytes:
    return bytes([30, 12, 0x10, address_id]) + struct.pack(">II", token, 0x01020304)


def mp_join_syn_ack(*, address_id: int = 1) -> bytes:
    return bytes([30, 16, 0x10, address_id]) + bytes(12)


def token_of(key: bytes) -> int:
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big")


def packet(
    src: str,
    dst: str,
    sport: int,
    dport: int,
    flags: int,
    *,
    seq: int = 0,
    ack: int = 0,
    window: int = 500,
    options: bytes = b"",
    payload: int = 0,
    ip_options: bytes = b"",
    total_length: int | None = None,
) -> bytes:
    """An Ethernet frame with `payload` bytes of body."""
    options += bytes([1]) * (-len(options) % 4)
    offset = (20 + len(options)) // 4 << 4
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, offset, flags, window, 0, 0) + options
    header = 20 + len(ip_options)
    length = header + len(tcp) + payload if total_length is None else total_length
    addresses = ipaddress.IPv4Address(src).packed + ipaddress.IPv4Address(dst).packed
    ip = struct.pack(">BBHHHBBH", 0x40 | header // 4, 0, length, 7, 0x4000, 64, 6, 0) + addresses + ip_options
    return bytes(12) + b"\x08\x00" + ip + tcp + bytes(payload)


def to_client(sport: int, dport: int, flags: int, *, src: str = VIP, dst: str = CLIENT, **more: object) -> bytes:
    return packet(src, dst, sport, dport, flags, **more)  # type: ignore[arg-type]


def to_server(sport: int, dport: int, flags: int, *, src: str = CLIENT, dst: str = VIP, **more: object) -> bytes:
    return packet(src, dst, sport, dport, flags, **more)  # type: ignore[arg-type]


def pcap_bytes(
    packets: list[tuple[int, bytes]], *, order: str = "<", nano: bool = True, snap: int = 128, link: int = 1
) -> bytes:
    """A pcap file of (time in ns, frame) pairs, each frame cut to `snap` bytes."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for time_ns, frame in packets:
        fraction = time_ns % 10**9 // (1 if nano else 1000)
        kept = frame[:snap]
        parts.append(struct.pack(f"{order}IIII", time_ns // 10**9, fraction, len(kept), len(frame)) + kept)
    return b"".join(parts)


def write_pcap(path: Path, packets: list[tuple[int, bytes]], **more: object) -> Path:
    path.write_bytes(pcap_bytes(packets, **more))  # type: ignore[arg-type]
    return path


def handshake(time_ns: int, port: int, *, key: bytes = b"", isn: int = 1000) -> list[tuple[int, bytes]]:
    """SYN and SYN+ACK of a connection to the VIP: MPTCP with a server key, plain TCP without."""
    return [
        (time_ns, to_server(port, 80, SYN, seq=isn, options=MSS + (mp_capable() if key else b""))),
        (time_ns + 1000, to_client(80, port, SYN | ACK, options=MSS + (mp_capable(key, flags=0x21) if key else b""))),
    ]


def join(time_ns: int, port: int, key: bytes, *, completed: bool = True) -> list[tuple[int, bytes]]:
    """SYN and SYN+ACK of a further subflow to the server's unique address."""
    there = to_server(port, 80, SYN, src=CLIENT_DIRECT, dst=UNIQUE, seq=5, options=MSS + mp_join_syn(token_of(key)))
    back = to_client(80, port, SYN | ACK, src=UNIQUE, dst=CLIENT_DIRECT, options=MSS + mp_join_syn_ack())
    return [(time_ns, there), (time_ns + 1000, back)] if completed else [(time_ns, there)]


def data(time_ns: int, port: int, payload: int, *, past: bool = False) -> tuple[int, bytes]:
    """Payload for the client, through the director or past it."""
    src, dst = (UNIQUE, CLIENT_DIRECT) if past else (VIP, CLIENT)
    return time_ns, packet(src, dst, 80, port, ACK | PSH, options=TIMESTAMPS, payload=payload)
