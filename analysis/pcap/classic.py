"""Classic pcap: a file header, then records of 16 bytes and a frame each, in either byte order.

In files of an old patch to libpcap (Kuznetsov's, magic number A1B2CD34) a record's header has 8 bytes more.
"""

from __future__ import annotations

import struct

import numpy as np

from analysis.pcap.chain import Chain
from analysis.pcap.frames import LARGEST_FRAME_BYTES, Frames, Interface, Window, gather

FILE_HEADER_BYTES = 24
_RECORD_HEADER_BYTES, _PATCHED_HEADER_BYTES = 16, 24
_SAMPLE_BYTES = 1 << 16
_MAGICS = {  # byte order, nanoseconds per unit of the fractions of a second, bytes of a record's header
    b"\xd4\xc3\xb2\xa1": ("<", 1000, _RECORD_HEADER_BYTES),
    b"\xa1\xb2\xc3\xd4": (">", 1000, _RECORD_HEADER_BYTES),
    b"\x4d\x3c\xb2\xa1": ("<", 1, _RECORD_HEADER_BYTES),
    b"\xa1\xb2\x3c\x4d": (">", 1, _RECORD_HEADER_BYTES),
    b"\x34\xcd\xb2\xa1": ("<", 1000, _PATCHED_HEADER_BYTES),
    b"\xa1\xb2\xcd\x34": (">", 1000, _PATCHED_HEADER_BYTES),
}


def is_classic(start: bytes) -> bool:
    """Whether a file that starts so is a classic pcap."""
    return start[:4] in _MAGICS and len(start) >= FILE_HEADER_BYTES


class ClassicPcap:
    """Splits the windows of one file into frames; `start` is its file header."""

    def __init__(self, file: str, start: bytes) -> None:
        self._order, self._unit_ns, self._header_bytes = _MAGICS[start[:4]]
        snap_bytes, link_type = struct.unpack(f"{self._order}II", start[16:24])
        self.interfaces = [Interface(file, "", link_type & 0xFFFF, snap_bytes)]
        order = self._order
        self._header = np.dtype(
            [("seconds", f"{order}u4"), ("fraction", f"{order}u4"), ("captured", f"{order}u4"),
             ("original", f"{order}u4")]
        )  # fmt: skip
        self._unpack = struct.Struct(f"{order}IIII").unpack
        self.warnings: list[str] = []

    def split(self, window: Window) -> tuple[Frames, int, str]:
        """The whole frames of a window, where the rest begins, and what is wrong with it ("": nothing)."""
        data, size = window.data, window.size
        problem = ""

        def step(at: int) -> tuple[int, bool] | None:
            nonlocal problem
            if at + self._header_bytes > size:
                return None
            seconds, fraction, captured, original = self._unpack(data[at : at + _RECORD_HEADER_BYTES].tobytes())
            if captured > LARGEST_FRAME_BYTES:
                problem = "garbage"
                return None
            if not (seconds or fraction or captured or original):
                problem = "zeros"
                return None
            following = at + self._header_bytes + captured
            return (following, True) if following <= size else None

        at, end = self._guess(window).follow(0, step)
        header = gather(data, at, self._header)
        frames = Frames(
            record_at=at,
            data_at=at + self._header_bytes,
            captured=header["captured"].astype(np.int64),
            original=header["original"].astype(np.int64),
            time_ns=header["seconds"].astype(np.int64) * 1_000_000_000
            + header["fraction"].astype(np.int64) * self._unit_ns,
            interface=np.zeros(len(at), np.uint16),
        )
        return frames, end, problem

    def _guess(self, window: Window) -> Chain:
        """Places where the upper half of a time in seconds stands that is that of the first record (18 hours)."""
        data, size = window.data, window.size
        places = max(size - _RECORD_HEADER_BYTES + 1, 0)
        halves = [(byte, data[byte : byte + places]) for byte in ((2, 3) if self._order == "<" else (0, 1))]
        # Only one of the two bytes is looked for everywhere: the one that is rarer, as a sample has it.
        halves.sort(key=lambda half: np.count_nonzero(half[1][:_SAMPLE_BYTES] == data[half[0]]))
        (rare, everywhere), (other, _) = halves
        at = np.flatnonzero(everywhere == data[rare])
        at = at[data[at + other] == data[other]]
        captured = gather(data, at + 8, f"{self._order}u4").astype(np.int64)
        following = at + self._header_bytes + captured
        plausible = (following <= size) & (captured <= LARGEST_FRAME_BYTES) & (captured > 0)
        if not plausible.all():
            at, following = at[plausible], following[plausible]
        return Chain(at, following)
