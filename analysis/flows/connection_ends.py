"""How each connection of the application ended, whether it survived, and why.

Enters: the subflows and RSTs of a capture, and which flow belongs to which connection. Leaves: `ConnectionEnds`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.connections import Traffic
from analysis.flows.resets import NEVER, Resets
from analysis.flows.servers import ServerEvidence
from analysis.flows.subflows import TO_CLIENT, TO_SERVER, Subflows
from analysis.pcap import Packets
from analysis.pcap.columns import Rows
from testbed.record.events import changes

_NS = 1_000_000_000


@dataclass(frozen=True, eq=False)
class ConnectionEnds:
    """One element per connection: `row` of the packet that ended it, `reset`, the number of the RST that did; or -1."""

    end: list[str]
    survived: list[bool]
    why: list[str]
    row: Rows
    reset: Rows
    churn_events: NDArray[np.int64]


def connection_ends(
    packets: Packets,
    traffic: Traffic,
    subflows: Subflows,
    resets: Resets,
    connection: Rows,
    leaders: Rows,
    known: ServerEvidence,
    end_ns: int | None,
) -> ConnectionEnds:
    """The ends; `connection` is each flow's number (-1: none), `leaders` the initial flow of each."""
    flows, count = traffic.flows, len(leaders)
    member = np.flatnonzero(connection >= 0)
    of = connection[member]
    reset = np.full(count, -1, np.int64)
    fatal = np.flatnonzero(resets.ended_connection & (connection[resets.flow] >= 0))[::-1]
    reset[connection[resets.flow[fatal]]] = fatal
    fin = np.full(count, NEVER, np.int64)
    client_fin = subflows.fin_row[member, TO_SERVER]
    for rows in (np.where(client_fin >= 0, client_fin, NEVER), resets.closed_row[member]):
        np.minimum.at(fin, of, rows)
    last = np.full(count, -1, np.int64)
    np.maximum.at(last, of, subflows.last_row[member])

    opened_ns = flows.opened_ns[leaders]
    reset_row = np.where(reset >= 0, resets.row[reset] if len(resets.row) else -1, -1)
    # A fast close that nobody answered ends a connection, too.
    aborted = np.where(resets.aborted_row[leaders] != NEVER, resets.aborted_row[leaders], -1)
    row = np.where(reset_row >= 0, reset_row, np.where(fin != NEVER, fin, aborted))
    ended_ns = np.where(row >= 0, packets.time_ns[row] if len(packets) else 0, NEVER)
    times = np.array([known.start_ns + round(each.t_s * _NS) for each in changes(known.events)], np.int64)
    until = np.minimum(ended_ns, packets.time_ns[last] if len(packets) else 0)
    events = np.searchsorted(times, until, side="right") - np.searchsorted(times, opened_ns, side="right")
    events = np.maximum(events, 0)

    acknowledges = subflows.acknowledged
    end: list[str] = []
    survived: list[bool] = []
    why: list[str] = []
    for number, leader in enumerate(leaders.tolist()):
        outlived = f"; outlived {events[number]} changes of the pool" if events[number] else ""
        at_end = end_ns is not None and ended_ns[number] > end_ns
        if reset[number] >= 0:
            which = int(reset[number])
            before = flows.answer[leader] >= row[number] if flows.answered[leader] else not acknowledges[leader]
            refused = flows.has_syn[leader] and before
            found = "refused" if refused else "reset"
            says = _aborter(subflows, resets, int(leader)) if resets.cause[which] == "fastclose" else ""
            fate = (found, at_end, says or _cause(resets, which))
            if at_end:
                fate = ("open", True, "open when the workload ended" + outlived)
        elif fin[number] == NEVER and row[number] >= 0:
            fate = ("reset", at_end, _aborter(subflows, resets, int(leader)))
        elif fin[number] != NEVER:
            fate = ("closed", True, "closed in order" + outlived)
            if at_end:
                fate = ("open", True, "open when the workload ended" + outlived)
        elif flows.has_syn[leader] and not flows.answered[leader] and not acknowledges[leader]:
            fate = ("unanswered", False, "no SYN+ACK came")
        else:
            fate = ("open", True, "open when the capture ended" + outlived)
        end.append(fate[0])
        survived.append(fate[1])
        why.append(fate[2])
    return ConnectionEnds(end=end, survived=survived, why=why, row=row, reset=reset, churn_events=events)


def _aborter(subflows: Subflows, resets: Resets, leader: int) -> str:
    """A fast close in words: by whom is told by the first MP_FASTCLOSE, not by the RST that answered it."""
    by_server = subflows.uniflow[resets.aborted_row[leader]] % 2 == TO_CLIENT
    return f"aborted by the {'server' if by_server else 'client'}: fastclose"


def _cause(resets: Resets, number: int) -> str:
    """A fatal RST in words."""
    churn = resets.churn[number]
    text = f"reset by {resets.sender[number].in_words}: {resets.cause[number]}"
    if churn is not None:
        event = churn.event
        what = "given another cost" if event.event == "link-cost" else event.event.partition("-")[2]
        text += f" after {event.whom or 'a path'} was {what} at {event.t_s:.1f} s"
    return text
