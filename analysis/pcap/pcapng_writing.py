"""Writing pcapng: one section of several interfaces, nanoseconds, with comments on packets.

Source: IETF draft-ietf-opsawg-pcapng. The libraries at hand write one interface, microseconds, or no comments.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT, _APPLICATION, _NAME, _DESCRIPTION, _RESOLUTION = 1, 4, 2, 3, 9
_LENGTH_NOT_SAID = 0xFFFFFFFFFFFFFFFF
_NANOSECONDS = b"\x09"
_MOST_OPTION_BYTES = 0xFFFF
_PACKET_HEADER = struct.Struct("<IIIIIII")
_LENGTH = struct.Struct("<I")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class PcapngWriter:
    """Writes to `stream`, whose closing is the caller's matter; interfaces are described before their packets."""

    def __init__(self, stream: IO[bytes], *, application: str, comment: str) -> None:
        self._stream = stream
        self._interfaces = 0
        header = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _LENGTH_NOT_SAID)
        self._block(_SECTION, header + options((_COMMENT, comment), (_APPLICATION, application)))

    def interface(self, name: str, description: str, link_type: int, snap_bytes: int) -> int:
        """Describe an interface; returns its number."""
        header = struct.pack("<HHI", link_type, 0, snap_bytes)
        told = options((_NAME, name), (_DESCRIPTION, description), (_RESOLUTION, _NANOSECONDS))
        self._block(_INTERFACE, header + told)
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self, interface: int, time_ns: int, data: bytes, original_bytes: int, comments: Sequence[str] = ()
    ) -> None:
        """Write a packet of that interface, of which `data` was captured; each comment is one of its own."""
        told = options(*((_COMMENT, comment) for comment in comments)) if comments else b""
        padding = _PADDING[len(data) % 4]
        total = 32 + len(data) + len(padding) + len(told)
        header = _PACKET_HEADER.pack(
            _PACKET, total, interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), original_bytes
        )
        self._stream.write(b"".join((header, data, padding, told, _LENGTH.pack(total))))

    def _block(self, kind: int, body: bytes) -> None:
        total = _LENGTH.pack(12 + len(body))
        self._stream.write(b"".join((_LENGTH.pack(kind), total, body, total)))


def options(*pairs: tuple[int, str | bytes]) -> bytes:
    """Options by their codes, those that are empty left out, and the end of them; texts that are too long are cut."""
    found = []
    for code, value in pairs:
        raw = value if isinstance(value, bytes) else _cut(value)
        if raw:
            found.append(struct.pack("<HH", code, len(raw)) + raw + _PADDING[len(raw) % 4])
    return b"".join([*found, b"\0\0\0\0"]) if found else b""


def _cut(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:_MOST_OPTION_BYTES].decode("utf-8", "ignore").encode()
