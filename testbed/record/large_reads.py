"""What `ab`'s reads came to with the library for large reads: `large_reads.json`, which the library itself writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.record import fields

FILE = "large_reads.json"


@dataclass(frozen=True)
class Reads:
    """How many reads `ab` made of its connections, and how many system calls they took."""

    reads: int
    system_calls: int


def read_large_reads(directory: Path) -> Reads:
    """The counts of a point whose workload has large reads; raises AnalysisError."""
    raw, name = fields.load(directory / FILE, dict)
    return Reads(fields.get(raw, "reads", int, name), fields.get(raw, "system_calls", int, name))
