"""What a pcapng says was lost: totals in Interface Statistics Blocks, increments in packet blocks.

Source: IETF draft-ietf-opsawg-pcapng: isb_ifdrop and isb_osdrop, epb_dropcount, and the old Packet Block's drops count.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np

from analysis.pcap.columns import U8, U16, U64, Rows
from analysis.pcap.frames import gather
from analysis.pcap.pcapng_blocks import options

UNKNOWN_DROPS = 0xFFFF
"""The drops count of an old Packet Block that does not know it."""

_ISB_IFDROP, _ISB_OSDROP, _EPB_DROPCOUNT = 5, 7, 4
_MOST_OPTIONS = 64
"""Of a packet; what is behind so many is not looked at."""


class Drops:
    """Adds up what a file says was lost, by interface.

    A total counts from the beginning of the capture, so of several the greatest counts; packets that the interface
    dropped and those that the system dropped are different ones. A packet has what both lost since the packet before
    it of its interface: all of them together are that total as far as the last packet. So the greater of the two
    counts, and never their sum, in which every loss would be there twice.
    """

    def __init__(self) -> None:
        self._totals: dict[int, int] = {}
        self._between: Counter[int] = Counter()

    def add_total(self, interface: int, lost: int) -> None:
        """What was lost at an interface until then."""
        self._totals[interface] = max(lost, self._totals.get(interface, 0))

    def add_between(self, interface: U16, lost: U64) -> None:
        """What was lost before each of some packets, with their interfaces."""
        some = np.flatnonzero(lost)
        if not len(some):  # as in most chunks
            return
        interface, lost = interface[some], lost[some]
        for number in np.flatnonzero(np.bincount(interface)).tolist():
            mine = lost[interface == number]
            upper, lower = mine >> np.uint64(32), mine & np.uint64(0xFFFFFFFF)
            self._between[number] += (int(upper.sum()) << 32) + int(lower.sum())

    def lost(self) -> Iterator[tuple[int, int]]:
        """Each interface that lost packets, and how many."""
        for number in sorted(self._totals.keys() | self._between.keys()):
            count = max(self._totals.get(number, 0), self._between[number])
            if count:
                yield number, count


def read_total(body: bytes, order: str) -> tuple[int, int] | None:
    """Number of the interface in its section, and what the body of a statistics block says it lost; None: nothing."""
    if len(body) < 12:
        return None
    found: dict[int, int] = {}
    for code, value in options(body[12:], order):
        if code in (_ISB_IFDROP, _ISB_OSDROP) and len(value) == 8:
            found[code] = struct.unpack(f"{order}Q", value)[0]
    return (struct.unpack_from(f"{order}I", body)[0], sum(found.values())) if found else None


def read_between(data: U8, at: Rows, stop: Rows, order: str) -> U64:
    """What the options of Enhanced Packet Blocks, each from `at` to `stop`, say was lost before; 0 where none does."""
    found = np.zeros(len(at), np.uint64)
    at = at.copy()
    left = np.arange(len(at))
    for _ in range(_MOST_OPTIONS):
        left = left[at[left] + 4 <= stop[left]]
        if not len(left):
            break
        head = gather(data, at[left], [("code", f"{order}u2"), ("length", f"{order}u2")])
        code, length = head["code"], head["length"].astype(np.int64)
        counts = left[(code == _EPB_DROPCOUNT) & (length == 8) & (at[left] + 12 <= stop[left])]
        found[counts] = gather(data, at[counts] + 4, f"{order}u8")
        at[left] += 4 + (length + 3) // 4 * 4
        left = left[code != 0]
    return found
