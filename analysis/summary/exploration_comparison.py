"""Two explorations side by side: what the same fault of the same packet costs with one kernel or scheme, and another.

A packet is told by what it is, not by its number, and a late one by which of the delays it has: half a round trip, one,
two, a retransmission timeout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Key = tuple[str, str, int]

LEAST_S = 1e-3
"""What two costs must differ by to count as different."""

_WORST = ("ok", "slower", "reset", "error", "hangs", "damaged")


def compare(one: Sequence[Row], other: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each single fault that both have, or only one of them: the largest differences first."""
    first, second = _by_key(one), _by_key(other)
    found = [_pair(key, first.get(key), second.get(key)) for key in dict.fromkeys((*first, *second))]
    return sorted(found, key=lambda row: (row["verdict"] == "the same", -abs(row["difference_s"] or 0.0), row["what"]))


def _by_key(rows: Sequence[Row]) -> dict[Key, Row]:
    """The cases of one fault that were applied."""
    delays = sorted({row["delay_s"] for row in rows if row["delay_s"]})
    return {
        (row["what"], row["fault"], delays.index(row["delay_s"]) + 1 if row["delay_s"] else 0): row
        for row in rows
        if row["applied"] and row["fault"] and ";" not in row["faults"]
    }


def _pair(key: Key, one: Row | None, other: Row | None) -> dict[str, Any]:
    what, fault, delay = key
    costs = [_cost(row) for row in (one, other)]
    difference_s = None if None in costs else round(costs[1] - costs[0], 9)  # type: ignore[operator]
    return {
        "what": what,
        "fault": fault,
        "delay": delay or None,
        "outcome_first": one["outcome"] if one else None,
        "outcome_second": other["outcome"] if other else None,
        "cost_first_s": costs[0],
        "cost_second_s": costs[1],
        "join_first": one["join"] if one else None,
        "join_second": other["join"] if other else None,
        "join_first_s": one["join_s"] if one else None,
        "join_second_s": other["join_s"] if other else None,
        "difference_s": difference_s,
        "verdict": _verdict(one, other, difference_s),
    }


def _cost(row: Row | None) -> float | None:
    if row is None or row["extra_s"] is None:
        return None
    return float(row["extra_s"] - (row["delay_s"] or 0.0))


def _verdict(one: Row | None, other: Row | None, difference_s: float | None) -> str:
    """What the second is beside the first: better, worse, the same; or there is no such packet in one of them."""
    if one is None or other is None:
        return "only in the second" if one is None else "only in the first"
    by_outcome = _WORST.index(other["outcome"]) - _WORST.index(one["outcome"])
    joins = (one["join"] == "confirmed") - (other["join"] == "confirmed")
    join_s = (other["join_s"] or 0.0) - (one["join_s"] or 0.0) if other["join_s"] and one["join_s"] else 0.0
    measures = (
        by_outcome if {one["outcome"], other["outcome"]} - {"ok", "slower"} else 0,
        joins,
        difference_s if difference_s is not None and abs(difference_s) >= LEAST_S else 0,
        join_s if abs(join_s) >= LEAST_S else 0,
    )
    decisive = next((each for each in measures if each), 0)
    return "worse" if decisive > 0 else "better" if decisive < 0 else "the same"
