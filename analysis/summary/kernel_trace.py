"""What the kernel said of itself while a point ran, for points that asked for it: read, checked, counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.record.point import Point
from testbed.record.trace import FILE, TraceEvent, TraceRecord, read_trace, read_trace_events


@dataclass(frozen=True, eq=False)
class KernelTrace:
    """How a trace was recorded, and its events: none where some were lost, for nobody knows which."""

    record: TraceRecord
    events: Sequence[TraceEvent]

    def reasons(self) -> Iterator[str]:
        """What is wrong with it."""
        if lost := self.record.lost:
            total = lost + self.record.recorded
            size = f"{self.record.buffer_bytes / 1e6:g} MB"
            hint = "a larger trace.buffer, or fewer trace.events"
            yield f"trace: {lost} of {total} events did not fit into {size}: {hint}"


def read_kernel_trace(directory: Path, point: Point) -> KernelTrace | None:
    """The trace of a point, None for one that has not asked for it; raises AnalysisError."""
    if point.trace is None or not point.trace.events:
        return None
    record = read_trace(directory)
    if record is None:
        raise AnalysisError(f"{FILE}: no such file")
    if record.lost:
        return KernelTrace(record, ())
    events = tuple(read_trace_events(directory))
    if len(events) != record.recorded:
        raise AnalysisError(f"{FILE}: {record.recorded} events were recorded, but {len(events)} are there")
    return KernelTrace(record, events)
