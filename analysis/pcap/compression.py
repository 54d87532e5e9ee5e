"""Compressed captures, unpacked while they are read: gzip, bzip2, xz, Zstandard and LZ4, told by their first bytes.

Enters: an open file. Leaves: a stream of what is in it, in bounded memory whatever it unpacks to. A file that is cut
short or damaged gives the bytes before that place; what is wrong is said in `problem`.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import zlib
from typing import Any, Protocol

_GZIP = b"\x1f\x8b"
_MAGICS = {
    _GZIP: "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip
MAGIC_BYTES = max(map(len, _MAGICS))
_PIECE_BYTES = 1 << 16
_LAST_PIECE_BYTES = 64
_MOST_XZ_BYTES = 1 << 28
_CUT, _DAMAGED, _FOLLOWED = "cut short", "damaged", "followed by something else"


def format_of(start: bytes) -> str:
    """How a file that starts so is compressed; "" if it is not."""
    return next((name for magic, name in _MAGICS.items() if start.startswith(magic)), "")


class Unpacked(io.RawIOBase):
    """What a compressed file holds; `start` are bytes that were read of it already."""

    def __init__(self, stream: io.RawIOBase, start: bytes) -> None:
        self.problem = ""
        source = _Source(stream, start)
        name = format_of(start)
        self._reader: _Reader = _Arrow(source, name) if name in ("zstd", "lz4") else _Standard(source, name)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the start of a buffer; 0 at the end."""
        if self.problem or not len(buffer):
            return 0
        data, self.problem = self._reader.read(min(len(buffer), _PIECE_BYTES))
        buffer[: len(data)] = data
        return len(data)


class _Reader(Protocol):
    def read(self, most: int) -> tuple[bytes, str]:
        """So many bytes at most, none at the end, and what is wrong behind them."""
        ...


class _Source(io.RawIOBase):
    """A file from its start again, of which some bytes were read."""

    def __init__(self, stream: io.RawIOBase, start: bytes) -> None:
        self._stream = stream
        self._start = start
        state = os.fstat(stream.fileno())
        self._left = state.st_size - len(start) if stat.S_ISREG(state.st_mode) else None

    @property
    def is_nearly_read(self) -> bool:
        """Whether nothing is left of a file; of a pipe that is not known."""
        return self._left is not None and self._left <= 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes at most; none at the end."""
        if self._start:
            found, self._start = self._start[:size], self._start[size:]
            return found
        found = self._stream.read(min(size, _PIECE_BYTES)) or b""
        if self._left is not None:
            self._left -= len(found)
        return found


class _Standard:
    """gzip, bzip2 and xz by the standard library, of several members too; zeros may follow the last one."""

    def __init__(self, source: _Source, name: str) -> None:
        self._source = source
        self._name = name
        self._member = _member(name)
        self._input = b""

    def read(self, most: int) -> tuple[bytes, str]:
        while True:
            if self._member.eof:
                self._input = self._next_member()
                if not self._input:
                    return b"", ""
                if format_of(self._input) != self._name:
                    return b"", _FOLLOWED
                self._member = _member(self._name)
            if self._name == "gzip" or self._member.needs_input:
                self._input = self._input or self._source.read(_PIECE_BYTES)
                is_end = not self._input
            else:
                is_end = False
            data, problem = self._unpack(most)
            if data or problem:
                return data, problem
            if is_end and not self._member.eof:
                return b"", _CUT

    def _next_member(self) -> bytes:
        """The start of what follows a member and zeros."""
        found: bytes = self._member.unused_data.lstrip(b"\0")
        while len(found) < MAGIC_BYTES and (more := self._source.read(_PIECE_BYTES)):
            found = (found + more).lstrip(b"\0")
        return found

    def _unpack(self, most: int) -> tuple[bytes, str]:
        before = self._member.copy() if self._name == "gzip" else None
        given, self._input = self._input, b""
        try:
            data: bytes = self._member.decompress(given, most)
        except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
            return (_up_to_the_damage(before, given, most) if before is not None else b""), _DAMAGED
        if self._name == "gzip":
            self._input = self._member.unconsumed_tail
        return data, ""


def _member(name: str) -> Any:
    if name == "gzip":
        return zlib.decompressobj(31)
    return bz2.BZ2Decompressor() if name == "bz2" else lzma.LZMADecompressor(memlimit=_MOST_XZ_BYTES)


def _up_to_the_damage(member: Any, given: bytes, most: int) -> bytes:
    """What zlib makes of the bytes before the one that it cannot understand."""
    found = bytearray()
    for at in range(len(given)):
        try:
            found += member.decompress(given[at : at + 1], max(most - len(found), 1))
        except zlib.error:
            break
    return bytes(found[:most])


class _Arrow:
    """Zstandard and LZ4 by PyArrow."""

    def __init__(self, source: _Source, name: str) -> None:
        import pyarrow as pa  # only where it is needed: it takes longer than a small capture

        self._source = source
        self._stream = pa.CompressedInputStream(pa.PythonFile(source, "r"), name)

    def read(self, most: int) -> tuple[bytes, str]:
        # An error takes with it what was unpacked in the same call, so the last calls are small.
        size = min(most, _LAST_PIECE_BYTES) if self._source.is_nearly_read else most
        try:
            return self._stream.read(size), ""
        except OSError as error:
            return b"", _CUT if "runcated" in str(error) else _DAMAGED
