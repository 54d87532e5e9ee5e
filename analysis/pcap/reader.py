"""Reading a capture file: whole, or chunk by chunk where it is larger than memory."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.pcap.classic import FILE_HEADER_BYTES, ClassicPcap, is_classic
from analysis.pcap.compression import MAGIC_BYTES, Unpacked, format_of
from analysis.pcap.frames import Window
from analysis.pcap.link import LINK_TYPES
from analysis.pcap.network import TCP_BYTES
from analysis.pcap.packets import Packets, concatenate
from analysis.pcap.pcapng import Pcapng, is_pcapng
from analysis.pcap.segment import PacketDecoder
from analysis.pcap.tables import Option
from analysis.pcap.tally import CUT_HEADERS, link_type_name
from testbed.base.errors import AnalysisError
from testbed.base.text import plain

CHUNK_BYTES = 1 << 21
"""Small enough for a chunk and what is made of it to stay in a processor's cache."""

_DECODED = "Ethernet, Linux cooked (SLL and SLL2), NULL, LOOP, PPP and raw IP are"
_PACKED = {b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}


def read_stored_pcap(path: Path) -> Packets:
    """As `read_pcap`, for a file of a run directory: a pipe or a device in its place is refused, not waited for."""
    try:
        if path.exists() and not path.is_file():
            raise AnalysisError(f"{plain(path.name)}: not a regular file")
    except OSError as error:  # a link to itself
        raise AnalysisError(f"{plain(path.name)}: {error.strerror or error}") from error
    return read_pcap(path)


def read_pcap(path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> Packets:
    """The TCP packets of one capture file, classic pcap or pcapng, compressed or not.

    A file that ends in the middle of a record, or turns into garbage, gives the packets before that place and
    a warning. Raises AnalysisError for a file that is absent, empty or no capture, or of an unknown link type.
    """
    return concatenate(list(iter_packets(path, chunk_bytes=chunk_bytes)))


def is_plain(path: Path) -> bool:
    """Whether offsets of `Packets` are those in the file itself: one that can be read again, and is not compressed."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return not format_of(file.read(MAGIC_BYTES))


def iter_packets(path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Packets]:
    """The same, in chunks of about `chunk_bytes` of the file; at least one, and the last has the warnings.

    Rows and the tables' `packet` count from each chunk's first packet; interfaces and IPv6 addresses keep their
    numbers. `records`, `skipped`, `others`, `opaque` and `fragments` are those of the chunk, and `concatenate` puts
    together what IP fragments carry. Offsets in a compressed file are those in what it holds. The file may be a pipe.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            yield from _packets(path, stream, chunk_bytes)
    except OSError as error:
        raise AnalysisError(f"{plain(path)}: {error.strerror or error}") from error


def open_capture(
    path: Path, stream: io.RawIOBase, chunk_bytes: int
) -> tuple[ClassicPcap | Pcapng, Window, Unpacked | None]:
    """What splits a file into frames, a window of it that is behind its header, and what unpacks it, if it is packed.

    Raises AnalysisError for a file that is no capture.
    """
    window = _beginning(stream, chunk_bytes)
    start = window.data[: window.size].tobytes()
    unpacked = Unpacked(stream, start) if format_of(start) else None
    if unpacked is not None:
        window = _beginning(unpacked, chunk_bytes)
    capture, consumed = _recognise(path, window, unpacked)
    window.advance(consumed)
    return capture, window, unpacked


def _packets(path: Path, stream: io.RawIOBase, chunk_bytes: int) -> Iterator[Packets]:
    capture, window, unpacked = open_capture(path, stream, chunk_bytes)
    decoder = PacketDecoder()
    losses = _Losses()
    more = True
    while more:
        frames, end, problem = capture.split(window)
        packets = decoder.decode(window, frames, capture.interfaces)
        losses.add(packets)
        left_at, left = window.offset + end, window.size - end
        more = not problem and window.advance(end)
        if not more:
            where = where_it_ends(problem, left_at, left, unpacked)
            name = plain(path.name)
            warnings = (*capture.warnings, *losses.warnings(), *where)
            packets = replace(packets, warnings=tuple(f"{name}: {warning}" for warning in warnings))
        yield packets


def _beginning(stream: io.RawIOBase, chunk_bytes: int) -> Window:
    """A window that has as much as a file's header, so that the first chunk need not be moved when it is done with."""
    window = Window(stream, chunk_bytes)
    while window.advance(0, FILE_HEADER_BYTES - window.size) and window.size < FILE_HEADER_BYTES:
        pass
    return window


def _recognise(path: Path, window: Window, unpacked: Unpacked | None) -> tuple[ClassicPcap | Pcapng, int]:
    """What splits the file into frames, and how many bytes its own header has."""
    start = window.data[: min(window.size, FILE_HEADER_BYTES)].tobytes()
    name = plain(path)
    if not start:
        if unpacked is not None and unpacked.problem:
            raise AnalysisError(f"{name}: the compressed file is {unpacked.problem}: nothing can be read of it")
        raise AnalysisError(f"{name}: the capture is empty")
    if is_pcapng(start):
        return Pcapng(plain(path.name), start), 0
    if not is_classic(start):
        hint = f"unpack it first: {_PACKED[start[:4]]}" if start[:4] in _PACKED else ""
        inside = "not a pcap or pcapng file" if unpacked is None else "what it holds is not a pcap or pcapng file"
        raise AnalysisError(f"{name}: {inside}", hint=hint)
    capture = ClassicPcap(plain(path.name), start)
    link_type = capture.interfaces[0].link_type
    if link_type not in LINK_TYPES:
        raise AnalysisError(f"{name}: frames of {link_type_name(link_type)} are not decoded", hint=_DECODED)
    return capture, FILE_HEADER_BYTES


class _Losses:
    """What the frames of a capture lack, added up over its chunks."""

    def __init__(self) -> None:
        self._packets = 0
        self._frames = 0
        self._cut = 0
        self._missing_bytes = 0
        self._cut_headers = 0
        self._undecoded: Counter[str] = Counter()

    def add(self, packets: Packets) -> None:
        """Take in a chunk."""
        self._packets += len(packets)
        self._frames += packets.records
        if packets.options.max(initial=0) >= Option.CUT:  # the uppermost bits but one, so most chunks end here
            cut = np.flatnonzero(packets.options & np.uint32(Option.CUT))
            self._cut += len(cut)
            header_bytes = packets.header_bytes[cut].astype(np.int64)
            self._missing_bytes += int((header_bytes - TCP_BYTES - packets.option_bytes[cut]).sum())
        self._cut_headers += packets.others.get(CUT_HEADERS, 0)
        self._undecoded.update({name: n for name, n in packets.opaque.items() if name.startswith("link type")})

    def warnings(self) -> Iterator[str]:
        """What to know of it."""
        if self._cut_headers:
            yield (
                f"of {self._cut_headers} of {self._frames} frames the headers were not captured (the snap length is "
                "too short): they are not analysed"
            )
        if self._cut:
            yield (
                f"of {self._cut} of {self._packets} TCP packets the options were not captured whole: "
                f"{self._missing_bytes} bytes are missing (the snap length is too short), and what they said of MPTCP"
            )
        for name, count in sorted(self._undecoded.items()):
            yield f"{count} frames of {name} are not decoded"


def where_it_ends(problem: str, left_at: int, left: int, unpacked: Unpacked | None) -> Iterator[str]:
    """What there is to say of the end of a file, of which so many bytes are left that make no whole record."""
    if problem:
        yield f"{problem} at byte {left_at}: the rest of the file is not read"
    elif unpacked is not None and unpacked.problem:
        yield (
            f"the compressed file is {unpacked.problem} after byte {left_at + left} of what it holds: "
            "the rest of the file is not read"
        )
    elif left:
        yield f"truncated record at byte {left_at}: {left} bytes are not read"
