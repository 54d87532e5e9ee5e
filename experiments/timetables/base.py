"""What a timetable says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Change:
    """One change: at `t_s` seconds after the workload started, `server` leaves the pool or returns."""

    t_s: float
    event: Literal["server-removed", "server-added"]
    server: str


class Timetable(Protocol):
    """What happens to the pool, and when."""

    def changes(self, duration_s: float, servers: Sequence[str]) -> list[Change]:
        """All changes up to and including `duration_s` seconds, in order."""
        ...
