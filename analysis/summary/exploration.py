"""What a case of an exploration came to beside the base line: a row of the table `cases`, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analysis.flows.passages import Described, Identity, describe, digest
from analysis.flows.passages_in_captures import Agreement
from analysis.summary.exploration_findings import finding
from testbed.record import exploration as record
from testbed.record.exploration import LEAST_RTO_S, Case, Outcome

_TIMELY_S = 5e-6
_MOST_PAYLOAD = 1460
_OF_HANDSHAKES = ("SYN", "SYN+ACK", "join SYN", "join SYN+ACK", "join ACK", "third ACK")
_NEVER_COUNTED = (
    "TcpInErrs",
    "TcpInCsumErrors",
    "MPTcpExtDataCsumErr",
    "MPTcpExtDSSNotMatching",
    "MPTcpExtInfiniteMapTx",
    "MPTcpExtInfiniteMapRx",
    "MPTcpExtDSSCorruptionFallback",
    "MPTcpExtDSSCorruptionReset",
    "MPTcpExtMPFailTx",
    "MPTcpExtMPFailRx",
    "MPTcpExtMPFallbackTokenInit",
    "MPTcpExtMPCapableFallbackACK",
    "MPTcpExtMPCapableFallbackSYNACK",
    "MPTcpExtMPCapableDataFallback",
)
"""Counters that a connection with one fault of a packet gives no reason to move."""

_BRINGS = {"TcpInErrs": ("TcpExtTCPSYNChallenge",)}
"""A second SYN+ACK is answered with a challenge ACK (RFC 5961), and counted as an error as well."""

JOINS = ("confirmed", "refused", "unanswered", "none")


@dataclass(frozen=True)
class Join:
    """What became of the first subflow beside the initial one, and when it was confirmed."""

    state: str
    at_s: float | None = None


@dataclass(frozen=True)
class BaseLine:
    """The connection with nothing done to it: what passed, how long it took, a round trip, its join."""

    described: tuple[Described, ...]
    done_s: float
    round_trip_s: float
    join: Join
    digest: str
    counters: Mapping[str, Mapping[str, int]]

    @cached_property
    def identities(self) -> Mapping[int, Identity]:
        """What each packet is, by its number."""
        return {each.passage.number: each.identity for each in self.described}

    @property
    def join_s(self) -> float | None:
        """When the join was confirmed, if it was."""
        return self.join.at_s

    @property
    def rto_s(self) -> float:
        """The retransmission timeout of data, nearly."""
        return LEAST_RTO_S + self.round_trip_s


def base_line(outcome: Outcome) -> BaseLine:
    """The base line of what an exploration of it has found; raises ValueError where it is none."""
    described = describe(outcome.passages())
    if outcome.done_s is None or not outcome.intact or outcome.error:
        what = outcome.error or ("it had no end in time" if outcome.done_s is None else "it came damaged")
        raise ValueError(f"the connection fails by itself: {what}")
    if burst := next((each for each in described if each.passage.payload > _MOST_PAYLOAD), None):
        raise ValueError(f"a packet of {burst.passage.payload} bytes passed: segments do not travel one by one")
    return BaseLine(
        tuple(described),
        outcome.done_s,
        _connected_s(described),
        join_of(described),
        digest(described),
        outcome.counters,
    )


def _connected_s(described: Sequence[Described]) -> float:
    """When the client first answered a SYN+ACK that it got, from the connection's first packet; 0.0: never.

    Where nothing is done to the connection that is a round trip, as the injector sees it.
    """
    initial = [each for each in described if each.flow == 0]
    answers = (n for n, each in enumerate(initial) if each.kind == "SYN+ACK" and each.passage.is_delivered)
    if (answer := next(answers, None)) is None:
        return 0.0
    back = next((each for each in initial[answer:] if each.passage.hook == record.FROM_CLIENT and _is_ack(each)), None)
    return back.t_s if back else 0.0


def _is_ack(each: Described) -> bool:
    return not each.passage.flags & record.SYN


def join_of(described: Sequence[Described]) -> Join:
    """A join counts from the first packet that a server sends on it after the third ACK, unless that is a RST."""
    best = Join("none")
    for flow in sorted({each.flow for each in described} - {0}):
        state, acknowledged = "none", False
        for each in (one for one in described if one.flow == flow and one.passage.is_delivered):
            if each.kind == "join SYN":
                state = "unanswered" if state == "none" else state
            elif each.kind == "join ACK" or (each.passage.hook == record.FROM_CLIENT and each.passage.payload):
                acknowledged = True
            elif each.passage.hook == record.TO_CLIENT and each.kind == "RST":
                state = "refused"
            elif each.passage.hook == record.TO_CLIENT and acknowledged and not each.passage.flags & record.SYN:
                return Join("confirmed", each.t_s)
        if JOINS.index(state) < JOINS.index(best.state):
            best = Join(state)
    return best


def judge(
    case: Case, outcome: Outcome, base: BaseLine, agreement: Agreement, *, far_comparable: bool
) -> dict[str, Any]:
    """The row of a case."""
    described = describe(outcome.passages())
    why = not_applied(case, outcome, described, base, agreement, far_comparable=far_comparable)
    join = join_of(described)
    late_s = sum(fault.delay_s for fault in case.faults)
    extra_s = None if outcome.done_s is None else round(outcome.done_s - base.done_s, 9)
    numbers = {each.passage.number: each for each in described if each.passage.number}
    struck = [numbers[fault.packet] for fault in case.faults if fault.packet in numbers]
    row: dict[str, Any] = {
        "case": case.id,
        "packet": case.faults[0].packet if case.faults else None,
        "what": struck[0].name if struck else "",
        "path": ("service" if struck[0].to_service else "past it") if struck else "",
        "fault": case.faults[0].what if case.faults else "",
        "delay_s": case.faults[0].delay_s if case.faults and case.faults[0].what == "delayed" else None,
        "faults": "; ".join(fault.text for fault in case.faults),
        "change": "; ".join(each.text for each in case.changes),
        "change_s": case.changes[0].at_s if case.changes else None,
        "after_packet": outcome.happened[0].after_packet if outcome.happened else None,
        "applied": not why,
        "not_applied": why,
        "outcome": _class(outcome, extra_s, late_s, base),
        "done_s": outcome.done_s,
        "extra_s": extra_s,
        "error": outcome.error,
        "received_bytes": outcome.received_bytes,
        "intact": outcome.intact,
        "join": join.state,
        "join_s": join.at_s,
        "bytes_by_service": sum(
            each.passage.payload
            for each in described
            if each.to_service and each.passage.hook == record.TO_CLIENT and each.passage.is_delivered
        ),
        "sockets_left": sum(outcome.sockets_left.values()),
        "quiet_s": outcome.quiet_s,
        "counters": counter_problem(outcome, described, base.counters),
        "kernel": outcome.kernel[0] if outcome.kernel else "",
        "captures": agreement.near or (agreement.far if far_comparable else ""),
        "packets": outcome.seen,
        "digest": digest(described),
    }
    held_up_s = max(0.0, _connected_s(described) - base.round_trip_s)
    handshake = bool(struck) and struck[0].kind in _OF_HANDSHAKES
    row["finding"] = "" if why else finding(row, base, handshake=handshake, held_up_s=held_up_s)
    return row


def not_applied(
    case: Case,
    outcome: Outcome,
    described: Sequence[Described],
    base: BaseLine,
    agreement: Agreement,
    *,
    far_comparable: bool,
) -> str:
    """Why the case's faults are not what happened, in words; empty: they are."""
    if outcome.struck != len(case.faults):
        return f"{outcome.struck} of {len(case.faults)} faults were made, in {outcome.seen} packets"
    if len(outcome.happened) != len(case.changes):
        return f"{len(outcome.happened)} of {len(case.changes)} changes came before the connection's end"
    late = [each.passage for each in described if each.passage.fate == record.LATE]
    copies = sum(each.passage.fate == record.COPY for each in described)
    for place, fault in enumerate(case.faults):
        struck = next((each for each in described if each.passage.number == fault.packet), None)
        if struck is None or record.FATES[(hit := struck.passage).fate] != fault.what:
            return f"packet {fault.packet} was not {fault.what}"
        if place == 0 and not case.changes and struck.identity != base.identities.get(fault.packet):
            return f"packet {fault.packet} was another one: {struck.name}"
        if fault.what in ("delayed", "swapped"):
            after_ns = [one.time_ns - hit.time_ns for one in late if (one.seq, one.ack) == (hit.seq, hit.ack)]
            if not after_ns:
                return f"packet {fault.packet} never came back" if fault.what == "delayed" else "nothing came after it"
            if fault.what == "delayed" and not any(abs(each * 1e-9 - fault.delay_s) < _TIMELY_S for each in after_ns):
                return f"packet {fault.packet} came after {after_ns[0] * 1e-9:.6g} s"
    if copies != sum(fault.what == "duplicated" for fault in case.faults):
        return f"{copies} copies passed"
    return agreement.near or (agreement.far if far_comparable else "")


def _class(outcome: Outcome, extra_s: float | None, late_s: float, base: BaseLine) -> str:
    if outcome.error:
        return "reset" if outcome.error in ("ECONNRESET", "EPIPE") else "error"
    if outcome.done_s is None or extra_s is None:
        return "hangs"
    if not outcome.intact:
        return "damaged"
    return "ok" if extra_s <= late_s + max(base.round_trip_s, 1e-3) else "slower"


def counter_problem(outcome: Outcome, described: Sequence[Described], of_base: Mapping[str, Mapping[str, int]]) -> str:
    """A counter of a kernel that should not have moved, or that disagrees with what passed; empty: none."""
    for node, counts in outcome.counters.items():
        for name in _NEVER_COUNTED:
            allowed = of_base.get(node, {}).get(name, 0) + sum(counts.get(each, 0) for each in _BRINGS.get(name, ()))
            if counts.get(name, 0) > allowed:
                return f"{node}: {name} {counts[name]}"
    if not outcome.counters:
        return ""
    node, client = next(iter(outcome.counters.items()))
    sent = sum(each.passage.number > 0 and each.passage.hook == record.FROM_CLIENT for each in described)
    got = sum(each.passage.is_delivered and each.passage.hook == record.TO_CLIENT for each in described)
    for name, passed in (("TcpOutSegs", sent), ("TcpInSegs", got)):
        counted = client.get(name, 0) + (client.get("TcpRetransSegs", 0) if name == "TcpOutSegs" else 0)
        if counted != passed:
            return f"{node}: {name} {counted}, {passed} passed"
    return ""
