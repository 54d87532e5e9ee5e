"""Reading a capture file: whole, or chunk by chunk where it is larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from analysis.errors import AnalysisError
from analysis.pcap.classic import FILE_HEADER_BYTES, ClassicPcap, is_classic
from analysis.pcap.frames import Window
from analysis.pcap.link import LINK_TYPES
from analysis.pcap.packets import Packets, concatenate
from analysis.pcap.pcapng import Pcapng, is_pcapng
from analysis.pcap.segment import PacketDecoder

CHUNK_BYTES = 1 << 21
"""Small enough for a chunk and what is made of it to stay in a processor's cache."""

_DECODED = "Ethernet, Linux cooked (SLL and SLL2) and raw IP are"


def read_pcap(path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> Packets:
    """The TCP packets of one capture file, classic pcap or pcapng.

    A file that ends in the middle of a record, or turns into garbage, gives the packets before that place and
    a warning. Raises AnalysisError for a file that is absent, empty or no capture, or of an unknown link type.
    """
    return concatenate(list(iter_packets(path, chunk_bytes=chunk_bytes)))


def iter_packets(path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Packets]:
    """The same, in chunks of about `chunk_bytes` of the file; at least one, and the last has the warnings.

    Rows and the tables' `packet` count from each chunk's first packet; interfaces and IPv6 addresses keep their
    numbers. `records` and `skipped` are those of the chunk.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            window = Window(stream, chunk_bytes)
            # The header alone, so that the first chunk need not be moved when it is done with.
            while window.advance(0, FILE_HEADER_BYTES - window.size) and window.size < FILE_HEADER_BYTES:
                pass
            capture, consumed = _recognise(path, window)
            window.advance(consumed)
            decoder = PacketDecoder()
            more = True
            while more:
                frames, end, problem = capture.split(window)
                packets = decoder.decode(window, frames, capture.interfaces)
                left_at, left = window.offset + end, window.size - end
                more = not problem and window.advance(end)
                if not more:
                    packets = replace(packets, warnings=_warnings(path, capture, problem, left_at, left))
                yield packets
    except OSError as error:
        raise AnalysisError(f"{path}: {error.strerror or error}") from error


def _recognise(path: Path, window: Window) -> tuple[ClassicPcap | Pcapng, int]:
    """What splits the file into frames, and how many bytes its own header has."""
    start = window.data[: min(window.size, FILE_HEADER_BYTES)].tobytes()
    if not start:
        raise AnalysisError(f"{path}: the capture is empty")
    if is_pcapng(start):
        return Pcapng(path.name, start), 0
    if not is_classic(start):
        hint = "unpack it first" if start[:2] == b"\x1f\x8b" else ""
        raise AnalysisError(f"{path}: not a pcap or pcapng file", hint=hint)
    capture = ClassicPcap(path.name, start)
    link_type = capture.interfaces[0].link_type
    if link_type not in LINK_TYPES:
        raise AnalysisError(f"{path}: frames of link type {link_type} are not decoded", hint=_DECODED)
    return capture, FILE_HEADER_BYTES


def _warnings(path: Path, capture: ClassicPcap | Pcapng, problem: str, left_at: int, left: int) -> tuple[str, ...]:
    warnings = list(capture.warnings)
    unknown = [each.link_type for each in capture.interfaces if each.link_type not in LINK_TYPES]
    for link_type in sorted(set(unknown)):
        count = unknown.count(link_type)
        warnings.append(f"{path.name}: frames of link type {link_type} are not decoded ({count} interfaces)")
    if problem:
        warnings.append(f"{path.name}: {problem} at byte {left_at}: the rest of the file is not read")
    elif left:
        warnings.append(f"{path.name}: truncated record at byte {left_at}: {left} bytes are not read")
    return tuple(warnings)
