"""Where two runs of one point part: the first packet, event or counter that differs, and the counters at the end.

Enters: two raw directories. Leaves: a `PointDivergence`. The runs may have other seeds or other kernels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.compare.packet_divergence import PacketDivergence, in_bytes, in_normalised_packets
from analysis.compare.packet_text import Capture
from analysis.flows.addresses import ipv6_of, of_point
from testbed.base.errors import AnalysisError
from testbed.record import counters, digests, events, outcome, reading
from testbed.record.addresses import read_addresses
from testbed.record.captures import read_captures
from testbed.record.counters import Sample, read_counters
from testbed.record.events import STARTED, Event, read_events
from testbed.record.model import parse
from testbed.record.point import Point, read_point

CONTEXT = 8
_ABSENT = object()


@dataclass(frozen=True)
class LineDivergence:
    """The first line of `events.jsonl` or `samples.jsonl` that differs, at `t_s`; None where a file has ended.

    `what` names the part of the line that differs, for a sample.
    """

    file: str
    t_s: float
    what: str
    ours: str | None
    theirs: str | None


@dataclass(frozen=True)
class CounterDelta:
    """How much a counter of a node grew during the workload, in both runs."""

    node: str
    counter: str
    ours: int
    theirs: int


@dataclass(frozen=True)
class PointDivergence:
    """Everything that differs between two runs of a point.

    `packets` has the first differing packet of each interface, the earliest first; `normalised` the same
    without the numbers that a kernel draws at random (empty where that is the same). `files` are the other files
    that differ, by name.
    """

    ours: Point
    theirs: Point
    packets: tuple[PacketDivergence, ...]
    normalised: tuple[PacketDivergence, ...]
    lines: tuple[LineDivergence, ...]
    counters: tuple[CounterDelta, ...]
    files: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return not (self.packets or self.lines or self.counters or self.files)


def compare_points(ours: Path, theirs: Path, context: int = CONTEXT) -> PointDivergence:
    """Compare two raw directories; `context` packets lead up to each. Raises AnalysisError for what it cannot read."""
    left, right = read_point(ours), read_point(theirs)
    plan = read_addresses(ours)
    captures = _captures(ours, ipv6_of(plan))
    others = {capture.interface: capture for capture in _captures(theirs, ipv6_of(plan))}
    if {capture.interface for capture in captures} != set(others):
        raise AnalysisError(f"{ours} and {theirs}: not the same topology: they captured on other interfaces")
    addresses = of_point(plan)
    packets = in_bytes(captures, others, addresses, context)
    normalised = in_normalised_packets(captures, others, addresses, context) if packets else []
    lines = [
        found
        for file, kind in ((events.FILE, Event), (counters.SAMPLES, Sample))
        if (found := _first_line(ours / file, theirs / file, kind)) is not None
    ]
    return PointDivergence(
        ours=left,
        theirs=right,
        packets=tuple(packets),
        normalised=tuple(normalised),
        lines=tuple(sorted(lines, key=lambda line: line.t_s)),
        counters=tuple(_counters(ours, theirs)),
        files=tuple(_other_files(ours, theirs)),
    )


def _captures(directory: Path, ipv6: Sequence[bytes]) -> list[Capture]:
    start_ns = _start_ns(directory)
    return [Capture(entry.interface, directory / entry.file, start_ns, ipv6) for entry in read_captures(directory)]


def _start_ns(directory: Path) -> int:
    for event in read_events(directory):
        if event.event == STARTED and event.epoch_s is not None:
            return round(event.epoch_s * 10**9)
    raise AnalysisError(f"{directory / events.FILE}: the workload's start is missing")


def _first_line(ours: Path, theirs: Path, kind: type[Event] | type[Sample]) -> LineDivergence | None:
    left, right = _lines(ours), _lines(theirs)
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else None
        other = right[number] if number < len(right) else None
        if one != other:
            name = f"{ours.name}:{number + 1}"
            parts = [reading.parse_object(text, name) for text in (one, other) if text is not None]
            if len(parts) == 2 and parts[0] == parts[1]:
                continue  # the same in other words: another order, other spaces
            what, shown = _smallest_part(*parts) if len(parts) == 2 else ("", (one, other))
            return LineDivergence(ours.name, min(parse(kind, part, name).t_s for part in parts), what, *shown)
    return None


def _smallest_part(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, tuple[str | None, str | None]]:
    """Where two objects differ first: the path of keys, and both values there."""
    path: list[str] = []
    left: Any = one
    right: Any = other
    while isinstance(left, Mapping) and isinstance(right, Mapping):
        name = next(key for key in (*left, *right) if left.get(key, _ABSENT) != right.get(key, _ABSENT))
        path.append(name)
        left, right = left.get(name, _ABSENT), right.get(name, _ABSENT)
    return " ".join(path), tuple(None if value is _ABSENT else json.dumps(value) for value in (left, right))  # type: ignore[return-value]


def _counters(ours: Path, theirs: Path) -> list[CounterDelta]:
    left, right = _growth(ours), _growth(theirs)
    return [
        CounterDelta(node, counter, left.get((node, counter), 0), right.get((node, counter), 0))
        for node, counter in sorted(left.keys() | right.keys())
        if left.get((node, counter), 0) != right.get((node, counter), 0)
    ]


def _growth(directory: Path) -> dict[tuple[str, str], int]:
    found = read_counters(directory)
    if found is None:
        raise AnalysisError(f"{directory}: it has no {counters.FILE}")
    return {
        (node, counter): value - found.before.get(node, {}).get(counter, 0)
        for node, values in found.after.items()
        for counter, value in values.items()
    }


_SEEN_ELSEWHERE = {events.FILE, counters.SAMPLES, counters.FILE, digests.FILE, outcome.FILE, "point.json"}


def _other_files(ours: Path, theirs: Path) -> list[str]:
    """Names of the other files that differ or are in one directory only."""
    names = {path.name for directory in (ours, theirs) for path in directory.iterdir() if path.is_file()}
    wanted = sorted(name for name in names - _SEEN_ELSEWHERE if not name.endswith(".pcap") and not name.startswith("."))
    return [name for name in wanted if _bytes(ours / name) != _bytes(theirs / name)]


def _bytes(path: Path) -> bytes | None:
    return reading.read_bytes(path) if reading.is_there(path) else None


def _lines(path: Path) -> list[str]:
    return reading.read_text(path).splitlines()
