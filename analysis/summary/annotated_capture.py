"""All captures of a point as one pcapng, by time: an interface for each place, comments on the frames that matter."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from analysis.pcap import Interface
from analysis.pcap.pcapng_writing import PcapngWriter
from analysis.pcap.raw_frames import RawFrame, iter_frames
from analysis.summary.frame_comments import Comments, comments
from analysis.summary.of_point import observe_point
from testbed.base.errors import AnalysisError
from testbed.base.text import plain
from testbed.record.captures import read_captures, read_server_captures
from testbed.record.director import read_director_captures

APPLICATION = "testbed export"
"""Whose files these are, as they say themselves."""


@dataclass(frozen=True)
class Place:
    """Where a capture was made: its file, how it is called, and what that is."""

    file: str
    name: str
    description: str


@dataclass
class Exported:
    """What was written: frames by the names of their places, how many comments, and what could not be read."""

    frames: dict[str, int] = field(default_factory=dict)
    comments: int = 0
    warnings: list[str] = field(default_factory=list)


def places_of(directory: Path) -> list[Place]:
    """The captures of a point, those at the client first; raises AnalysisError."""
    found = [Place(each.file, each.interface, "the client") for each in read_captures(directory)]
    for capture in read_director_captures(directory):
        found.append(Place(capture.file, capture.interface, f"director {capture.node}"))
    for at_server in read_server_captures(directory):
        name = at_server.file.partition(".pcap")[0]
        found.append(Place(at_server.file, name, f"server {at_server.node}"))
    return found


def write_annotated(directory: Path, stream: IO[bytes]) -> Exported:
    """Write the captures of a point; every frame with its bytes, time and length as they were captured.

    Raises AnalysisError for a point whose captures cannot be read.
    """
    summary, sources, observed = observe_point(directory)
    places, exported = places_of(directory), Exported()
    if not places:
        raise AnalysisError(f"{plain(directory)}: it has no captures")
    exported.warnings += [f"{plain(summary.id)}: invalid: {plain(reason)}" for reason in summary.invalid_reasons]
    said = comments(observed, sources)
    about = f"point {summary.id}: {summary.title}, {summary.protocol}, seed {summary.seed}, Linux {summary.kernel}"
    wrong = "".join(f"; INVALID: {reason}" for reason in summary.invalid_reasons)
    writer = PcapngWriter(stream, application=APPLICATION, comment=plain(f"{about}{wrong}"))
    _write(writer, directory, places, said, exported)
    return exported


def _write(writer: PcapngWriter, directory: Path, places: Sequence[Place], said: Comments, exported: Exported) -> None:
    names: dict[tuple[Place, Interface], tuple[int, str]] = {}

    def frames(place: Place) -> Iterator[tuple[Place, RawFrame]]:
        for frame in iter_frames(directory / place.file, exported.warnings.append):
            yield place, frame

    def described(place: Place, interface: Interface) -> tuple[int, str]:
        # A file of our captures has one interface; of one that has several each is named.
        name = plain(" ".join(filter(None, (place.name, interface.name))))
        exported.frames[name] = 0
        return writer.interface(name, plain(place.description), interface.link_type, interface.snap_bytes), name

    streams = [frames(place) for place in places]
    for place, frame in heapq.merge(*streams, key=lambda each: each[1].time_ns):
        key = (place, frame.interface)
        if key not in names:
            names[key] = described(*key)
        number, name = names[key]
        texts = said.get((place.file, frame.number), ())
        writer.packet(number, frame.time_ns, frame.data, frame.original_bytes, texts)
        exported.comments += len(texts)
        exported.frames[name] += 1
