"""How the run of a point ended: `outcome.json`, which the runner writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.record import fields


@dataclass(frozen=True)
class Outcome:
    """How the run of the point ended (`outcome.json`); seconds, None where they are unknown."""

    ok: bool
    error: str
    wall_s: float | None
    virtual_s: float | None
    kernel_warnings: tuple[str, ...]


def read_outcome(directory: Path) -> Outcome:
    """How the point ended; raises AnalysisError."""
    raw, name = fields.load(directory / "outcome.json", dict)
    return Outcome(
        ok=fields.get(raw, "status", str, name) == "ok",
        error=str(raw.get("error") or ""),
        wall_s=None if raw.get("wall_s") is None else fields.get(raw, "wall_s", float, name),
        virtual_s=None if raw.get("virtual_s") is None else fields.get(raw, "virtual_s", float, name),
        kernel_warnings=tuple(
            str(line) for line in fields.get({"kernel_warnings": [], **raw}, "kernel_warnings", list, name)
        ),
    )
