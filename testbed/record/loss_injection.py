"""What a point's injector of packet losses has done: `loss_injection.json`."""

from __future__ import annotations

from pathlib import Path

from testbed.record import fields


def read_injected_drops(directory: Path) -> int:
    """How many packets the point's loss injector dropped; raises AnalysisError."""
    raw, name = fields.load(directory / "loss_injection.json", dict)
    return fields.get(raw, "dropped", int, name)
