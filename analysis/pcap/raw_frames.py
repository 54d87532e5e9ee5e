"""The frames of a capture as they are, one by one, for those who pass them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from analysis.pcap.frames import Interface
from analysis.pcap.reader import CHUNK_BYTES, open_capture, where_it_ends
from testbed.base.errors import AnalysisError
from testbed.base.text import plain


class RawFrame(NamedTuple):
    """A frame: when, its number in its file from 1, where, how long it was on the wire, and what of it was captured."""

    time_ns: int
    number: int
    interface: Interface
    original_bytes: int
    data: bytes


def iter_frames(path: Path, warn: Callable[[str], None]) -> Iterator[RawFrame]:
    """The frames of a file as `read_pcap` reads it, in its order; what of it cannot be read is told to `warn`.

    Raises AnalysisError for a file that is absent, empty or no capture.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            capture, window, unpacked = open_capture(path, stream, CHUNK_BYTES)
            number, more = 0, True
            while more:
                frames, end, problem = capture.split(window)
                data = window.data[: window.size].tobytes()
                rows = (each.tolist() for each in (frames.time_ns, frames.interface, frames.original))
                for time_ns, interface, original, at, size in zip(
                    *rows, frames.data_at.tolist(), frames.captured.tolist(), strict=True
                ):
                    number += 1
                    yield RawFrame(time_ns, number, capture.interfaces[interface], original, data[at : at + size])
                left_at, left = window.offset + end, window.size - end
                more = not problem and window.advance(end)
            for what in where_it_ends(problem, left_at, left, unpacked):
                warn(f"{plain(path.name)}: {what}")
    except OSError as error:
        raise AnalysisError(f"{plain(path)}: {error.strerror or error}") from error
