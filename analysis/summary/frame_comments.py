"""What is to be said of single frames of a point's captures: whose RST and why, which connection's join, what changed.

Enters: the observation of a point, and what else is known of it. Leaves: texts by file and number of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from analysis.flows.observation import Observation
from analysis.pcap import RST, SYN, Packets
from analysis.pcap.columns import Rows
from analysis.summary.point_tables import Sources
from analysis.tables import CAUSES
from analysis.tables.resets import tabulate_resets
from testbed.base.text import plain
from testbed.record.events import in_words

Comments = Mapping[tuple[str, int], list[str]]
"""Texts by the file of a frame and its number there, from 1."""

_NS = 1_000_000_000


def comments(observed: Observation, sources: Sources) -> Comments:
    """The comments on all captures of a point."""
    found: dict[tuple[str, int], list[str]] = {}

    def add(packets: Packets, said: Iterator[tuple[int, str]]) -> None:
        for row, text in said:
            file = packets.interfaces[int(packets.interface[row])].file
            found.setdefault((file, int(packets.frame[row])), []).append(plain(text))

    add(observed.packets, _changes(observed, sources))
    add(observed.packets, _handshakes(observed))
    add(observed.packets, _resets(observed))
    for server, packets in sources.server_packets.items():
        add(packets, _at_server(server, packets, observed))
    return found


def _changes(observed: Observation, sources: Sources) -> Iterator[tuple[int, str]]:
    """Each event at the first packet that is not before it."""
    times = observed.packets.time_ns
    for event in sources.events:
        later = np.flatnonzero(times >= observed.start_ns + round(event.t_s * _NS))
        if len(later):
            row = int(later[np.argmin(times[later])])
            what = in_words(event.event, event.whom, event.by)
            yield row, f"here: {what}, {event.t_s:.6f} s since the workload's start"


def _handshakes(observed: Observation) -> Iterator[tuple[int, str]]:
    """Where connections and subflows begin, are joined, become a backup, and where an address is announced."""
    flows, subflows = observed.traffic.flows, observed.subflows
    connection, number, _ = observed.numbers
    for flow in np.flatnonzero(connection >= 0).tolist():
        of, server = f"connection {connection[flow]}", observed.servers[flow].name or "one of several servers"
        mine = f"subflow {number[flow]} of {of}"
        if flows.has_syn[flow]:
            kind = "MPTCP" if flows.connection[flow] >= 0 else "TCP"
            what = f"MP_JOIN: asks to be {mine}" if flows.is_join[flow] else f"{of} begins ({kind})"
            yield int(flows.opening[flow]), f"{what}, at {server}"
        if (row := int(subflows.confirmed_row[flow])) >= 0:
            yield row, f"{mine} is joined: the other end has taken the join"
        if (row := int(subflows.backup_row[flow])) >= 0:
            yield row, f"MP_PRIO: {mine} becomes a backup"
        if (row := int(subflows.add_addr_row[flow])) >= 0:
            yield row, f"ADD_ADDR: {server} announces an address to {of}"


def _resets(observed: Observation) -> Iterator[tuple[int, str]]:
    resets = observed.resets
    tabulated = tabulate_resets(observed).to_pylist()
    for row, sender, reset in zip(resets.row.tolist(), resets.sender, tabulated, strict=True):
        parts = [f"RST {reset['reset']} by {sender.in_words} (known by: {reset['sender_evidence']})"]
        parts.append(f"{reset['cause']}: {CAUSES.get(reset['cause'], '')}")
        if reset["connection"] is not None:
            parts.append(f"subflow {reset['subflow']} of connection {reset['connection']}")
        if reset["ended_connection"] or reset["ended_subflow"]:
            parts.append(f"it ended the {'connection' if reset['ended_connection'] else 'subflow'}")
        if reset["churn"]:
            parts.append(
                f"after {reset['churn_server'] or 'a path'} was {reset['churn']} at {reset['churn_t_s']:.3f} s"
            )
        if reset["moved_from"] and reset["moved_to"]:
            parts.append(f"the flow had moved from {reset['moved_from']} to {reset['moved_to']}")
        yield row, "; ".join(parts)


def _at_server(server: str, packets: Packets, observed: Observation) -> Iterator[tuple[int, str]]:
    """SYNs and RSTs captured at a server, by the same packet at the client; what a director rewrote is not the same."""
    connection, number, _ = observed.numbers
    flows = observed.traffic.flows
    opened = np.flatnonzero(flows.has_syn & (connection >= 0))
    begun = dict(zip(_identities(observed.packets, flows.opening[opened]), opened.tolist(), strict=True))
    resets: dict[tuple[int, ...], list[int]] = {}
    for place, identity in enumerate(_identities(observed.packets, observed.resets.row)):
        resets.setdefault(identity, []).append(place)
    rows = np.flatnonzero((packets.flags & (RST | SYN)) != 0)
    for row, identity in zip(rows.tolist(), _identities(packets, rows), strict=True):
        if (flow := begun.get(identity)) is not None:
            yield row, f"SYN of subflow {number[flow]} of connection {connection[flow]}, as it came to {server}"
        elif left := resets.get(identity):
            place = left.pop(0)  # of several that are the same, the first here is the first there
            way = "left" if observed.resets.to_client[place] else "came to"
            yield row, f"RST {place}, as it {way} {server}"


def _identities(packets: Packets, rows: Rows) -> list[tuple[int, ...]]:
    """What makes a packet the same one at another place."""
    columns = (packets.src, packets.sport, packets.dst, packets.dport, packets.seq, packets.flags)
    return list(zip(*(column[rows].tolist() for column in columns), strict=True))
