"""The inside of pcapng blocks: interface descriptions, and options, which other blocks have, too."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.pcap.columns import I64, U64

_NS = 1_000_000_000
LATEST_NS = 4_600_000_000 * _NS
"""The year 2115: beyond what classic pcap can say, and two times that far from the epoch are apart by 63 bits."""

_IF_NAME, _IF_TSRESOL, _IF_TSOFFSET = 2, 9, 14


@dataclass(frozen=True)
class Clock:
    """How an interface counts time: `base` ** `exponent` ticks a second, from `offset_s` seconds after the epoch."""

    base: int = 10
    exponent: int = 6
    offset_s: int = 0

    def to_ns(self, ticks: U64) -> I64:
        """Nanoseconds since the epoch, rounded down; what is beyond `LATEST_NS` before or after it becomes that."""
        if self.base == 2:
            # More than 2**34 ticks a second and the product of fraction and 10**9 would not fit.
            exponent = min(self.exponent, 34)
            ticks = ticks >> np.uint64(min(self.exponent - exponent, 63))
            seconds = np.minimum(ticks >> np.uint64(exponent), np.uint64(LATEST_NS // _NS)).astype(np.int64)
            fraction = ticks & np.uint64((1 << exponent) - 1)
            ns = seconds * _NS + ((fraction * np.uint64(_NS)) >> np.uint64(exponent)).astype(np.int64)
        elif self.exponent <= 9:
            unit_ns = 10 ** (9 - self.exponent)
            ns = np.minimum(ticks, np.uint64(LATEST_NS // unit_ns)).astype(np.int64) * unit_ns
        elif self.exponent <= 28:
            ns = np.minimum(ticks // np.uint64(10 ** (self.exponent - 9)), np.uint64(LATEST_NS)).astype(np.int64)
        else:
            ns = np.zeros(len(ticks), np.int64)
        clipped: I64 = np.clip(ns + self.offset_s * _NS, -LATEST_NS, LATEST_NS)
        return clipped


@dataclass(frozen=True)
class Description:
    """What an Interface Description Block says."""

    link_type: int
    snap_bytes: int
    name: str
    clock: Clock


def read_description(body: bytes, order: str) -> Description | None:
    """The description in the body of a block, None for one that is too short."""
    if len(body) < 8:
        return None
    link_type, _, snap_bytes = struct.unpack_from(f"{order}HHI", body)
    name, resolution, offset_s = "", 6, 0
    for code, value in options(body[8:], order):
        if code == _IF_NAME:
            name = value.decode("utf-8", "replace").rstrip("\0")
        elif code == _IF_TSRESOL and len(value) == 1:
            resolution = value[0]
        elif code == _IF_TSOFFSET and len(value) == 8:
            offset_s = struct.unpack(f"{order}q", value)[0]
    # An offset that would leave the range of nanoseconds in 64 bits cannot be meant.
    clock = Clock(2 if resolution & 0x80 else 10, resolution & 0x7F, offset_s if abs(offset_s) < 1 << 32 else 0)
    return Description(link_type, snap_bytes, name, clock)


def options(raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option that the end of a block has."""
    at = 0
    while at + 4 <= len(raw):
        code, length = struct.unpack_from(f"{order}HH", raw, at)
        if code == 0:
            return
        yield code, raw[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
