"""What is noted of a task's end, from what its lab says."""

from __future__ import annotations

from pathlib import Path

from testbed.labs.base import JobResult
from testbed.labs.verdict import userspace_mode
from testbed.record.outcome import Outcome


def outcome_of(result: JobResult | None, error: str, *, wall_s: float, lab: str, output: Path) -> Outcome:
    """The outcome of a task with this result (None where the lab has none) and error (empty if all went well)."""
    outcome = Outcome(
        status="failed" if error else "ok",
        error=error,
        wall_s=round(wall_s, 3),
        virtual_s=result.clock_s if result else None,
        kernel_warnings=tuple(result.kernel_warnings) if result else (),
        lab=lab,
    )
    if result is None:
        return outcome
    more = {
        "userspace_mode": userspace_mode(output),
        "shared_boot": result.copy,
        "machine": result.machine,
        "repeated_by": result.repeated_by,
    }
    return outcome.model_copy(update={key: value for key, value in more.items() if value})
