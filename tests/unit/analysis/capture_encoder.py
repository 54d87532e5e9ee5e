"""Files of packets, byte by byte: classic pcap, and the blocks of pcapng."""

from __future__ import annotations

import struct


def classic(
    frames: list[tuple[int, bytes]], *, order: str = "<", nano: bool = True, snap: int = 262144, link_type: int = 1
) -> bytes:
    """A classic pcap of (time in ns, frame) pairs."""
    parts = [struct.pack(f"{order}IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link_type)]
    for time_ns, frame in frames:
        fraction = time_ns % 10**9 // (1 if nano else 1000)
        kept = frame[:snap]
        parts.append(struct.pack(f"{order}IIII", time_ns // 10**9, fraction, len(kept), len(frame)) + kept)
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(
    order: str = "<",
    *,
    link_type: int = 1,
    snap: int = 0,
    name: str = "",
    resolution: int | None = None,
    offset_s: int = 0,
) -> bytes:
    options = b""
    for code, value in (
        (2, name.encode()),
        (9, b"" if resolution is None else bytes([resolution])),
        (14, struct.pack(f"{order}q", offset_s) if offset_s else b""),
    ):
        if value:
            options += option(order, code, value)
    return block(order, 1, struct.pack(f"{order}HHI", link_type, 0, snap) + options + (bytes(4) if options else b""))


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(
    order: str, number: int, ticks: int, frame: bytes, *, snap: int = 262144, drops: int | None = None
) -> bytes:
    """With `drops`, a comment and flags stand before that option."""
    kept = frame[:snap]
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(kept), len(frame))
    options = b""
    if drops is not None:
        values = ((1, b"a comment"), (2, bytes(4)), (4, struct.pack(f"{order}Q", drops)), (0, b""))
        options = bytes(-len(kept) % 4) + b"".join(option(order, *each) for each in values)
    return block(order, 6, head + kept + options)


def old_packet(order: str, number: int, ticks: int, frame: bytes, *, drops: int = 0xFFFF) -> bytes:
    """A packet in the obsolete block, which says that it does not know its drops."""
    head = struct.pack(f"{order}HHIIII", number, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(order, 2, head + frame)


def simple(order: str, frame: bytes, *, snap: int = 0) -> bytes:
    return block(order, 3, struct.pack(f"{order}I", len(frame)) + (frame[:snap] if snap else frame))


def statistics(order: str, number: int, dropped: int | None, by_system: int | None = None) -> bytes:
    counts = [(code, count) for code, count in ((5, dropped), (7, by_system)) if count is not None]
    options = b"".join(option(order, code, struct.pack(f"{order}Q", count)) for code, count in counts)
    return block(order, 5, struct.pack(f"{order}III", number, 0, 0) + options + bytes(4))
