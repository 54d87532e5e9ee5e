"""What every capture format gives: frames, each somewhere in a window of the file, with time and lengths."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analysis.pcap.columns import U8, U16, Column, Columns, Rows

LARGEST_FRAME_BYTES = 1 << 18
"""libpcap's own limit: a larger length is garbage, not a frame."""

MARGIN_BYTES = 128
"""How far behind a window's last byte a header may be read; what lies there is never used."""


@dataclass(frozen=True)
class Interface:
    """One interface of a capture: its file, its name (of classic pcap: none), link type, and snap length in bytes."""

    file: str
    name: str
    link_type: int
    snap_bytes: int


@dataclass(frozen=True, eq=False)
class Frames(Columns):
    """The frames in one window; offsets count from the window's first byte."""

    record_at: Annotated[Rows, Column("where the record starts, with the header that the format gives it", "bytes")]
    data_at: Annotated[Rows, Column("where the captured bytes start", "bytes")]
    captured: Annotated[Rows, Column("captured bytes", "bytes")]
    original: Annotated[Rows, Column("bytes on the wire", "bytes")]
    time_ns: Annotated[Rows, Column("time since the epoch", "ns")]
    interface: Annotated[U16, Column("number of the interface")]


class Window:
    """A part of a file in memory: `data[:size]` are its bytes from `offset` on; `data` is longer by a margin."""

    def __init__(self, stream: io.RawIOBase, chunk_bytes: int) -> None:
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        self.data: U8 = np.zeros(MARGIN_BYTES, np.uint8)
        self.size = 0
        self.offset = 0

    def advance(self, consumed: int, chunk_bytes: int = 0) -> bool:
        """Leave the first `consumed` bytes behind and read more (0: a whole chunk); False at the file's end."""
        rest = self.size - consumed
        chunk_bytes = chunk_bytes or self._chunk_bytes
        needed = rest + chunk_bytes + MARGIN_BYTES
        data = self.data if len(self.data) >= needed else np.zeros(needed, np.uint8)
        data[:rest] = self.data[consumed : self.size].copy()
        self.data, self.size = data, rest
        self.offset += consumed
        wanted = data.data[rest : rest + chunk_bytes]
        while len(wanted) and (count := self._stream.readinto(wanted)):
            self.size += count
            wanted = wanted[count:]
        return self.size > rest


def gather(data: U8, at: Rows, dtype: DTypeLike) -> NDArray[np.void]:
    """The structures of `dtype` that start at these bytes of `data`; all must end inside it."""
    kind = np.dtype(dtype)
    # As raw bytes: of a structured type NumPy would copy field by field, ten times as slowly.
    everywhere = np.ndarray((max(len(data) - kind.itemsize + 1, 0),), f"V{kind.itemsize}", data, 0, (1,))
    found: NDArray[np.void] = everywhere[at].view(kind)
    return found
