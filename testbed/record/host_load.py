"""How busy the machine was while a point ran in real time: `host_load.jsonl`, a line per second."""

from __future__ import annotations

from pathlib import Path

from testbed.record import model, reading
from testbed.record.model import Count, EpochSeconds, Record, Seconds

FILE = "host_load.jsonl"


class HostLoad(Record):
    """A second of the machine: its end, its length, and what its `cores` did, in seconds summed over them.

    `idle_s` includes waiting for a disk, `stolen_s` is what a hypervisor took; the three sums are `cores` x `seconds`.
    """

    epoch_s: EpochSeconds
    seconds: Seconds
    cores: Count
    busy_s: Seconds
    idle_s: Seconds
    stolen_s: Seconds


def read_host_load(directory: Path) -> tuple[HostLoad, ...] | None:
    """How busy the machine was, second by second; None where nobody noted it; raises AnalysisError."""
    path = directory / FILE
    return tuple(model.read_lines(HostLoad, path)) if reading.is_there(path) else None
