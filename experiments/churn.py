"""When which server leaves and returns: the schedule of an anycast experiment.

The paper removes a server "every 10 s" for 5 s and counts 16 changes in 120 s. Both are true of a
cycle of 15 s only: out at 10, 25, ... 115 s, back at 15, 30, ... 120 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True)
class Change:
    """One change: at `t_s` seconds after the workload started, `server` leaves or returns."""

    t_s: float
    event: Literal["server-removed", "server-added"]
    server: str


def schedule(*, duration_s: float, cycle_s: float, up_s: float, servers: int) -> list[Change]:
    """All changes up to and including `duration_s`, in order; none if `cycle_s` is 0.

    In cycle k, counted from 0, server k modulo `servers` leaves at k x cycle + up and returns when the
    cycle ends. A server whose return would come after `duration_s` stays out.
    """
    changes: list[Change] = []
    if cycle_s <= 0:
        return changes
    # Decimal fractions of the file, not their nearest binary numbers: else the last change may miss the end.
    end, cycle, up = (Fraction(str(seconds)) for seconds in (duration_s, cycle_s, up_s))
    number = 0
    while number * cycle + up <= end:
        server = f"s{number % servers + 1}"
        changes.append(Change(float(number * cycle + up), "server-removed", server))
        if (number + 1) * cycle <= end:
            changes.append(Change(float((number + 1) * cycle), "server-added", server))
        number += 1
    return changes
