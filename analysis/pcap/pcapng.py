"""pcapng: sections of either byte order, several interfaces, each with a clock resolution of its own.

Source: IETF draft-ietf-opsawg-pcapng. Packets come from Enhanced, Simple and the obsolete Packet Blocks; Interface
Description Blocks say how to read them, Interface Statistics Blocks and packets what was lost. Other blocks are passed
over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from analysis.pcap.chain import Chain
from analysis.pcap.columns import I64, U32, U64, Bools, Rows
from analysis.pcap.frames import LARGEST_FRAME_BYTES, Frames, Interface, Window, gather
from analysis.pcap.pcapng_blocks import LATEST_NS, Clock, read_description
from analysis.pcap.pcapng_drops import UNKNOWN_DROPS, Drops, read_between, read_total
from testbed.base.text import plain

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_LARGEST_BLOCK_BYTES = 1 << 24
_MOST_INTERFACES = 1 << 16
# Before and after the frame of an Enhanced or old Packet Block, and of a Simple one.
_HEADER_BYTES, _SIMPLE_HEADER_BYTES, _TRAILER_BYTES = 28, 12, 4


def is_pcapng(start: bytes) -> bool:
    """Whether a file that starts so is a pcapng."""
    return start[:4] == b"\x0a\x0d\x0d\x0a" and start[8:12] in _ORDERS


@dataclass(frozen=True)
class _Section:
    """A section: where it begins in the window (-1: before it), its byte order, the number of its first interface."""

    at: int
    order: str
    first_interface: int


_Length = TypeVar("_Length", int, I64)


class Pcapng:
    """Splits the windows of one file into frames."""

    def __init__(self, file: str, start: bytes) -> None:
        self.interfaces: list[Interface] = []
        self._file = file
        self._order = _ORDERS[start[8:12]]
        self._clocks: list[Clock] = []
        self._drops = Drops()
        self._without_time = 0
        self._beyond = 0
        # Of the window at hand: its sections, and where each interface is described (-1: before it).
        self._sections: list[_Section] = []
        self._described_at: list[int] = []

    @property
    def warnings(self) -> list[str]:
        """What a reader of the packets should know: losses that the file mentions, packets without a time."""
        said = [
            f"the capture lost {lost} packets on interface {self.interfaces[number].name or number}"
            for number, lost in self._drops.lost()
        ]
        if self._without_time:
            said.append(f"{self._without_time} packets have no time (Simple Packet Blocks)")
        if self._beyond:
            said.append(f"{self._beyond} packets have a time that cannot be (before 1824 or after 2115)")
        return said

    def split(self, window: Window) -> tuple[Frames, int, str]:
        """The whole frames of a window, where the rest begins, and what is wrong with it ("": nothing)."""
        self._sections = [_Section(-1, each.order, each.first_interface) for each in self._sections[-1:]]
        self._described_at = [-1] * len(self.interfaces)
        problem = ""

        def step(at: int) -> tuple[int, bool] | None:
            nonlocal problem
            try:
                return self._step(window, at)
            except _Garbage as error:
                problem = str(error)
                return None

        chains: dict[str, Chain] = {}
        pieces: list[Rows] = []
        end, order = 0, ""
        while order != self._order:  # a section of the other byte order stops the walk
            order = self._order
            if order not in chains:
                chains[order] = _guess(window, order)
            found, end = chains[order].follow(end, step)
            pieces.append(found)
        at = np.concatenate(pieces)
        frames = self._frames(window, at)
        if len(frames) < len(at):
            return frames, int(at[len(frames)]), "garbage"
        return frames, end, problem

    def _step(self, window: Window, at: int) -> tuple[int, bool] | None:
        """Take in the block at `at`: where the next one is, and whether it is a packet; None if it is not whole."""
        if at + 12 > window.size:
            return None
        start = window.data[at : at + 12].tobytes()
        is_section = is_pcapng(start)
        if not is_section and not self._sections:
            raise _Garbage
        order = _ORDERS[start[8:12]] if is_section else self._sections[-1].order
        kind, total = struct.unpack(f"{order}II", start[:8])
        if order != self._order:
            self._order = order
            return None
        following = at + _padded(total)
        if not 12 <= total <= _LARGEST_BLOCK_BYTES or (kind == _SECTION and not is_section):
            raise _Garbage
        if following > window.size:
            return None
        if window.data[following - 4 : following].tobytes() != start[4:8]:
            raise _Garbage
        if is_section:
            self._sections.append(_Section(at, order, len(self.interfaces)))
        elif kind == _INTERFACE:
            self._describe(window.data[at + 8 : following - 4].tobytes(), at)
        elif kind == _STATISTICS and (lost := read_total(window.data[at + 8 : following - 4].tobytes(), order)):
            number = self._sections[-1].first_interface + lost[0]
            if number < len(self.interfaces):
                self._drops.add_total(number, lost[1])
        return following, kind in (_OLD_PACKET, _SIMPLE_PACKET, _PACKET)

    def _describe(self, body: bytes, at: int) -> None:
        found = read_description(body, self._sections[-1].order)
        if found is None:
            raise _Garbage
        if len(self.interfaces) == _MOST_INTERFACES:
            raise _Garbage(f"more than {_MOST_INTERFACES} interfaces")
        self.interfaces.append(Interface(self._file, plain(found.name), found.link_type, found.snap_bytes))
        self._clocks.append(found.clock)
        self._described_at.append(at)

    def _frames(self, window: Window, at: Rows) -> Frames:
        """The frames in the packet blocks at `at`, up to the first that contradicts itself or its interface."""
        sections = np.searchsorted(np.array([each.at for each in self._sections], np.int64), at, side="right") - 1
        fields = np.empty((len(at), _HEADER_BYTES // 4), np.uint32)
        for order in ("<", ">"):
            mine = np.array([each.order == order for each in self._sections], np.bool_)[sections]
            if mine.any():
                words = gather(window.data, at[mine], f"V{_HEADER_BYTES}").view(f"{order}u4")
                fields[mine] = words.reshape(-1, _HEADER_BYTES // 4)
                if order == ">":
                    # Interface and drops count share a word: here, too, the interface comes to be its lower half.
                    old = mine & (fields[:, 0] == _OLD_PACKET)
                    fields[old, 2] = fields[old, 2] >> 16 | fields[old, 2] << 16
        kind, total, number, high, low = (fields[:, each] for each in range(5))
        captured, original = fields[:, 5].astype(np.int64), fields[:, 6].astype(np.int64)
        data_at = at + _HEADER_BYTES
        interface: I64 = np.where(kind == _OLD_PACKET, number & 0xFFFF, number).astype(np.int64)
        simple = kind == _SIMPLE_PACKET
        if simple.any():
            original[simple] = fields[simple, 2]
            data_at[simple] = at[simple] + _SIMPLE_HEADER_BYTES
            interface[simple] = 0

        interface += np.array([each.first_interface for each in self._sections], np.int64)[sections]
        described = interface < np.searchsorted(np.array(self._described_at, np.int64), at)
        interface[~described] = 0
        if simple.any():
            snap = np.array([each.snap_bytes or LARGEST_FRAME_BYTES for each in self.interfaces] or [0], np.int64)
            room = _padded(total[simple].astype(np.int64)) - _SIMPLE_HEADER_BYTES - _TRAILER_BYTES
            captured[simple] = np.minimum(np.minimum(original[simple], snap[interface[simple]]), room)
        fits = data_at + captured + _TRAILER_BYTES <= at + _padded(total.astype(np.int64))
        good = described & fits & (captured <= LARGEST_FRAME_BYTES)
        count = len(at) if good.all() else int(np.argmin(good))
        self._without_time += int(np.count_nonzero(simple[:count]))
        ticks = (high.astype(np.uint64) << np.uint64(32) | low)[:count]
        frames = Frames(
            record_at=at[:count],
            data_at=data_at[:count],
            captured=captured[:count],
            original=original[:count],
            time_ns=np.where(simple[:count], 0, self._time_ns(ticks, interface[:count], ~simple[:count])),
            interface=interface[:count].astype(np.uint16),
        )
        self._count_drops(window, frames, fields[:count], sections[:count])
        return frames

    def _count_drops(self, window: Window, frames: Frames, fields: U32, sections: Rows) -> None:
        """Add what the packet blocks of these frames say was lost; `fields` are the words that they begin with."""
        kind, stop = fields[:, 0], frames.record_at + _padded(fields[:, 1].astype(np.int64)) - _TRAILER_BYTES
        options_at = frames.data_at + _padded(frames.captured)
        lost = np.zeros(len(frames), np.uint64)
        old = np.flatnonzero(kind == _OLD_PACKET)
        lost[old] = fields[old, 2] >> 16
        lost[old[lost[old] == UNKNOWN_DROPS]] = 0
        telling = np.flatnonzero((kind == _PACKET) & (options_at < stop))
        is_little = np.array([each.order == "<" for each in self._sections], np.bool_)[sections[telling]]
        for order, rows in (("<", telling[is_little]), (">", telling[~is_little])):
            lost[rows] = read_between(window.data, options_at[rows], stop[rows], order)
        self._drops.add_between(frames.interface, lost)

    def _time_ns(self, ticks: U64, interface: I64, timed: Bools) -> I64:
        time_ns = np.zeros(len(ticks), np.int64)
        for number in np.flatnonzero(np.bincount(interface)).tolist():
            mine = interface == number
            time_ns[mine] = self._clocks[number].to_ns(ticks[mine])
        self._beyond += int(np.count_nonzero((abs(time_ns) == LATEST_NS) & timed))
        return time_ns


def _guess(window: Window, order: str) -> Chain:
    """Multiples of 4 where a packet block may start, judged by its type and both of its lengths."""
    words = window.data[: window.size // 4 * 4].view(f"{order}u4")
    at = np.flatnonzero((words[:-2] == _PACKET) | (words[:-2] == _SIMPLE_PACKET) | (words[:-2] == _OLD_PACKET))
    total = words[at + 1].astype(np.int64)
    following = at * 4 + _padded(total)
    whole = (total >= 12) & (total <= _LARGEST_BLOCK_BYTES) & (following <= window.size)
    at, total, following = at[whole], total[whole], following[whole]
    same = words[following // 4 - 1] == total
    return Chain(at[same] * 4, following[same])


class _Garbage(Exception):
    """What stands here is no block."""

    def __init__(self, what: str = "garbage") -> None:
        super().__init__(what)


def _padded(total: _Length) -> _Length:
    """Some writers leave the padding to a multiple of 4 out of a block's length."""
    return (total + 3) // 4 * 4
