"""Points of experiments, run in a guest by the agent: for the tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments import plan
from testbed.labs.base import Job, JobResult
from testbed.labs.uml import UmlLab
from testbed.record.point import Point

# Figs. 13 and 14 in short: a round of downloads takes 3.4 s, none is new at a change (at 2 s and at 4 s).
ANYCAST = ("workload.concurrency=12", "workload.duration=5 s", "timetable.cycle=4 s", "timetable.up=2 s")

OK = '{"status": "ok", "error": "", "wall_s": 1, "virtual_s": 1, "kernel_warnings": []}'
"""The outcome of a point that went well."""


def planned(name: str, protocol: str, overrides: Iterable[str] = (), schemes: Iterable[str] = ()) -> Point:
    """The experiment's one point over this protocol, in virtual time, changed so."""
    points = plan.plan(plan.load(plan.find(name)), overrides=[*overrides], schemes=[*schemes])
    (point,) = [each for each in points if each.protocol == protocol and each.clock == "virtual"]
    return point


def run_agent(lab: UmlLab, out: Path, point: Point, **of_job: Any) -> JobResult:
    """Run the agent on a point in a new directory (or one that is empty), however it ends."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "point.json").write_text(point.to_json())
    limits = {"wall_limit_s": 300, "clock_limit_s": 1000}
    return lab.run(Job((sys.executable, "-m", "experiments.agent"), out, **{**limits, **of_job}))


def run_soundly(lab: UmlLab, out: Path, point: Point, **of_job: Any) -> None:
    """The same for a point that must end well; then the directory is as a run leaves it."""
    result = run_agent(lab, out, point, **of_job)
    assert result.status == 0, (out / "guest" / "stderr").read_text()
    assert result.kernel_warnings == ()
    (out / "outcome.json").write_text(OK)
