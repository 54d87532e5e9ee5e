"""What the middleboxes of the capture probe do to single frames: corrupt, narrow, lose, mark and tag them."""

from __future__ import annotations

import struct
from collections import Counter

import middlebox


class Corrupter:
    """Turns over a byte in the payload of one segment, told by its number among those from a port."""

    def __init__(self, port: int, number: int) -> None:
        self._port, self._number, self._seen = port, number, 0

    def __call__(self, frame: bytearray, tcp: int) -> bytes:
        if tcp and (at := middlebox.payload_at(frame, tcp)) < middlebox.packet_end(frame, tcp):
            self._seen += frame[tcp : tcp + 2] == self._port.to_bytes(2, "big")
            if self._seen == self._number:
                self._seen += 1
                frame[at] ^= 0xFF
                return middlebox.with_checksum(frame, tcp)
        return bytes(frame)


class Narrower:
    """Rewrites DSS: 64-bit numbers as 32 bits, and leaves out some data acknowledgements; the hosts understand both.

    A number of 64 bits stands for its lower half (RFC 8684 section 3.3.1), so the connection goes on.
    """

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, frame: bytearray, tcp: int) -> bytes:
        at = self._find(frame, tcp) if tcp else 0
        if not at:
            return bytes(frame)
        self._seen += 1
        length, flags = frame[at + 1], frame[at + 3]
        body, narrow = bytes(frame[at + 4 : at + length]), self._seen % 4
        ack = body[: 8 if flags & 2 else 4] if flags & 1 else b""
        rest = body[len(ack) :]
        if flags & 4 and narrow == 0:
            ack, flags = b"", flags & ~3
        elif len(ack) == 8 and narrow in (1, 2):
            ack, flags = ack[4:], flags & ~2
        if flags & 8 and narrow in (0, 2, 3) and self._seen % 3:
            rest, flags = rest[4:], flags & ~8
        option = bytes([30, 4 + len(ack) + len(rest), frame[at + 2], flags]) + ack + rest
        frame[at : at + length] = option.ljust(length, b"\x01")
        return middlebox.with_checksum(frame, tcp)

    @staticmethod
    def _find(frame: bytearray, tcp: int) -> int:
        at, end = tcp + 20, middlebox.payload_at(frame, tcp)
        while at < end and frame[at]:
            if frame[at] == 30 and frame[at + 2] >> 4 == 2:
                return at
            at += 1 if frame[at] == 1 else frame[at + 1]
        return 0


class Trouble:
    """Loses some segments, and marks some as having met congestion (ECN)."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, frame: bytearray, tcp: int) -> bytes | None:
        if not tcp:
            return bytes(frame)
        self._seen += 1
        if middlebox.payload_at(frame, tcp) < middlebox.packet_end(frame, tcp):
            if self._seen % 9 == 0:
                return None
            if self._seen % 7 == 0 and frame[15] & 3:
                frame[15] |= 3
                frame[24:26] = b"\0\0"
                frame[24:26] = _internet_checksum(bytes(frame[14:34]))
        return bytes(frame)


def _internet_checksum(header: bytes) -> bytes:
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


class Holes:
    """Loses every second one of a connection's first segments with payload from port 80, four in all."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def __call__(self, frame: bytearray, tcp: int) -> bytes | None:
        if tcp and middlebox.payload_at(frame, tcp) < middlebox.packet_end(frame, tcp):
            ports = bytes(frame[tcp : tcp + 4])
            self._seen[ports] += 1
            if ports.startswith(b"\0P") and self._seen[ports] in (2, 4, 6, 8):
                return None
        return bytes(frame)


class Tagger:
    """Puts segments from or to port 80 in VLAN 7, and of port 81 in VLAN 7 inside VLAN 100 with priority 5.

    `port_at` says which of both ports counts, so that each middlebox tags what it sends to the other one. Received
    frames have lost their outer tag to the kernel; the inner one comes off here.
    """

    def __init__(self, port_at: int) -> None:
        self._port_at = port_at

    def __call__(self, frame: bytearray, tcp: int) -> bytes:
        if frame[12:14] == b"\x81\x00":
            del frame[12:16]
        port = int.from_bytes(frame[tcp + self._port_at :][:2], "big") if tcp else 0
        tags = {80: b"\x81\x00\x00\x07", 81: b"\x88\xa8\xa0\x64\x81\x00\x00\x07"}.get(port, b"")
        return bytes(frame[:12] + tags + frame[12:])
