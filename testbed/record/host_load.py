"""How busy the machine was while a point ran in real time: `host_load.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.record import fields, reading

_FIELDS = ("epoch_s", "seconds", "busy_s", "idle_s", "stolen_s")


@dataclass(frozen=True)
class HostLoad:
    """A second of the machine (`host_load.jsonl`): its end and length; what its cores did, in seconds."""

    epoch_s: float
    seconds: float
    busy_s: float
    idle_s: float
    stolen_s: float


def read_host_load(directory: Path) -> tuple[HostLoad, ...] | None:
    """How busy the machine was, second by second; None where nobody noted it; raises AnalysisError."""
    path = directory / "host_load.jsonl"
    if not reading.is_there(path):
        return None
    return tuple(
        HostLoad(**{key: fields.get(raw, key, float, name) for key in _FIELDS})
        for name, raw in reading.read_lines(path)
    )
