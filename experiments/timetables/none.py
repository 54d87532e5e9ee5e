"""No changes: the pool is what it is from the first second to the last."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.timetables.base import Change, Timetable


class Nothing(Timetable):
    """Nothing happens: all servers are in the pool from the beginning to the end."""

    def changes(self, duration_s: float | None, servers: Sequence[str]) -> list[Change]:
        """None."""
        del duration_s, servers
        return []
