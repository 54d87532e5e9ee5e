"""Points whose servers or directors change, run in a guest and analysed: for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guest_points import planned, run_agent

from analysis.summary.of_point import PointAnalysis, analyse_point_fully
from experiments.record import write
from testbed.labs.uml import UmlLab
from testbed.record import outcome
from testbed.record.events import Event, read_events
from testbed.record.outcome import Outcome

LINKS = (
    'topology.client_director={ rate = "100 Mbit/s" }',
    'topology.direct={ rate = "100 Mbit/s" }',
    'topology.director_server={ rate = "1 Gbit/s" }',
    "topology.servers=2",
)
"""Fig. 5 with two servers, and two paths of 100 Mbit/s."""


def downloads(size: str, *, concurrency: int, duration: str) -> str:
    """The override that has so many downloads at a time, until then."""
    return (
        f'workload={{ part = "long-downloads", size = "{size}", concurrency = {concurrency}, duration = "{duration}" }}'
    )


def events(*each: str) -> str:
    """The override that has these happen."""
    return f'timetable={{ part = "events", events = [{", ".join(f"{{ {one} }}" for one in each)}] }}'


@dataclass(frozen=True)
class Ran:
    """A point that has been run: its directory, its agent's status and its last words."""

    directory: Path
    status: int | None
    said: str

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened."""
        return read_events(self.directory)

    def happened(self, kind: str) -> list[tuple[float, str]]:
        """When such events happened, and to whom."""
        return [(each.t_s, each.whom) for each in self.events if each.event == kind]

    def analysed(self) -> PointAnalysis:
        """Its tables; they must be valid."""
        found = analyse_point_fully(self.directory)
        assert found.summary.valid, found.summary.invalid_reasons
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of one of its tables."""
        return list(self.analysed().tables[table].to_pylist())


def run(lab: UmlLab, out: Path, protocol: str, *overrides: str, name: str = "fig07") -> Ran:
    """Run the experiment's point over that protocol, changed so."""
    point = planned(name, protocol, [*LINKS, *overrides])
    result = run_agent(lab, out, point, wall_limit_s=600, clock_limit_s=3000)
    write(out / outcome.FILE, Outcome(status="failed" if result.status else "ok"))
    assert result.kernel_warnings == ()
    return Ran(out, result.status, (out / "guest" / "stderr").read_text())
