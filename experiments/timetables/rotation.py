"""The paper's rotation: in turn, each server leaves the pool and returns.

The paper removes a server "every 10 s" for 5 s and counts 16 changes in 120 s. Both are true of a
cycle of 15 s only: out at 10, 25, ... 115 s, back at 15, 30, ... 120 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from experiments.timetables.base import Change


@dataclass(frozen=True)
class Rotation:
    """Every `cycle_s` seconds a server is in the pool for `up_s`, then out until the cycle ends; another one each time.

    None leaves if `cycle_s` is 0.
    """

    cycle_s: float
    up_s: float

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Rotation:
        """The rotation that a point's parameters describe; of one without, none."""
        return cls(float(parameters.get("cycle_s", 0.0)), float(parameters.get("up_s", 0.0)))

    def changes(self, duration_s: float, servers: Sequence[str]) -> list[Change]:
        """All changes up to and including `duration_s`, in order.

        In cycle k, counted from 0, server k modulo their number leaves at k x cycle + up and returns when the
        cycle ends. A server whose return would come after `duration_s` stays out.
        """
        changes: list[Change] = []
        if self.cycle_s <= 0:
            return changes
        # Decimal fractions of the file, not their nearest binary numbers: else the last change may miss the end.
        end, cycle, up = (Fraction(str(seconds)) for seconds in (duration_s, self.cycle_s, self.up_s))
        number = 0
        while number * cycle + up <= end:
            server = servers[number % len(servers)]
            changes.append(Change(float(number * cycle + up), "server-removed", server))
            if (number + 1) * cycle <= end:
                changes.append(Change(float((number + 1) * cycle), "server-added", server))
            number += 1
        return changes
