"""What is wrong with a case of an exploration, how bad that is, and which findings are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

INITIAL_RTO_S = 1.0
"""TCP's timer for a SYN (RFC 6298): what a packet of a handshake costs if it is lost."""

SLACK = 1.5
"""How much longer than its timer a repetition may take: a queue adds to it, and the next timer is twice as long."""

SEVERITY = (
    "kernel warning",
    "damaged",
    "hangs",
    "reset",
    "error",
    "sockets left",
    "counters",
    "no join",
    "late join",
    "stall",
)
"""What is wrong, the worst first."""


class Base(Protocol):
    """What it takes of a base line: its timers, and when its join was confirmed, if it was."""

    @property
    def round_trip_s(self) -> float: ...  # noqa: D102
    @property
    def rto_s(self) -> float: ...  # noqa: D102
    @property
    def join_s(self) -> float | None: ...  # noqa: D102


def finding(row: Mapping[str, Any], base: Base, *, handshake: bool, held_up_s: float = 0.0) -> str:
    """What is wrong in a case, in a few words; empty: nothing is.

    `held_up_s` is how much later than in the base line the connection itself was there, which then may be joined.
    """
    late_s = row["delay_s"] or 0.0
    allowed_s = late_s + SLACK * (INITIAL_RTO_S + base.round_trip_s if handshake else base.rto_s)
    kinds = {
        "kernel warning": row["kernel"],
        "damaged": row["outcome"] == "damaged",
        "hangs": row["outcome"] == "hangs",
        "reset": row["outcome"] == "reset",
        "error": row["outcome"] == "error",
        "sockets left": row["sockets_left"],
        "counters": row["counters"],
        "no join": base.join_s is not None and row["join"] != "confirmed",
        "late join": row["join_s"] is not None
        and base.join_s is not None
        and row["join_s"] - base.join_s > late_s + held_up_s + SLACK * base.rto_s,
        "stall": row["extra_s"] is not None and row["extra_s"] > allowed_s,
    }
    return next((name for name, is_so in kinds.items() if is_so), "")


def ranked(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The findings in groups of what is alike, the worst group first, and in each the dearest case first."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["finding"]:
            kind = row["what"].partition(",")[0].rstrip("0123456789 ") + row["what"].partition(",")[2]
            groups.setdefault((row["finding"], kind, row["fault"]), []).append(row)
    ordered = [sorted(group, key=_cost, reverse=True) for group in groups.values()]
    return sorted(ordered, key=lambda group: (_severity(group[0]), -_cost(group[0])))


def _severity(row: Mapping[str, Any]) -> int:
    return SEVERITY.index(row["finding"]) if row["finding"] in SEVERITY else len(SEVERITY)


def _cost(row: Mapping[str, Any]) -> float:
    return float(row["extra_s"]) if row["extra_s"] is not None else float("inf")
