"""What `ab`'s reads came to with the library for large reads: `large_reads.json`, which the library itself writes."""

from __future__ import annotations

from pathlib import Path

from testbed.record import model
from testbed.record.model import Count, Record

FILE = "large_reads.json"


class Reads(Record):
    """How many reads `ab` made of its connections, and how many system calls they took."""

    reads: Count
    system_calls: Count


def read_large_reads(directory: Path) -> Reads:
    """The counts of a point whose workload has large reads; raises AnalysisError."""
    return model.read(Reads, directory / FILE)
