"""Which server a subflow was opened at and which sent a RST, where several share an address, and how sure that is.

Enters: flows, the servers' addresses, when which was in the pool, what their own captures and counters say. Leaves:
names with evidence, strongest first: `address`, `connection`, `capture`, `only`, `counter`; else `pool` and no name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.flows.addresses import Addresses
from analysis.flows.connections import Traffic
from analysis.flows.counter_series import CounterSeries
from analysis.flows.paths import SERVICE, UNIQUE
from analysis.flows.subflows import Subflows
from analysis.pcap import ACK, RST, SYN, Packets
from analysis.pcap.columns import Rows
from testbed.record import pool as replay
from testbed.record.events import Event

ADDRESS, CONNECTION, CAPTURE, ONLY, COUNTER, POOL = "address", "connection", "capture", "only", "counter", "pool"

REMOVED, ADDED = "server-removed", "server-added"

_NS = 1_000_000_000
_TRANSIT_S = 0.25
"""How long a RST may be under way before it is captured at the client (queues of the links included)."""


@dataclass(frozen=True)
class Attribution:
    """A server's name (None: it cannot be told which of `candidates`) and the evidence for it.

    A RST that was captured at none of the servers has no name, no candidates and the evidence `capture`.
    """

    name: str | None
    evidence: str
    candidates: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """Who it was, as far as that is known."""
        if self.name or self.candidates:
            return self.name or f"one of {' '.join(self.candidates)}"
        return "a director" if self.evidence == CAPTURE else "the server"


@dataclass(frozen=True, eq=False)
class ServerEvidence:
    """What is known beside the client's packets; all of it may be empty.

    `captures` has SYNs and RSTs as captured at servers, `sent_resets` each server's count of sent RSTs, `events` the
    removals and additions, all times on the lab's clock; `start_ns` is the workload's start. `directors` have sent so
    many RSTs by themselves, and with those that have not there are `director_count`.
    """

    start_ns: int = 0
    events: Sequence[Event] = ()
    captures: Mapping[str, Packets] = field(default_factory=dict)
    sent_resets: Mapping[str, CounterSeries] = field(default_factory=dict)
    directors: Mapping[str, int] = field(default_factory=dict)
    director_count: int = 1

    def is_director(self, sender: Attribution) -> bool:
        """Whether a RST was a director's own, be it of which of several."""
        named = {sender.name} if sender.name else {*sender.candidates}
        return named <= {*self.directors} if named else sender.evidence == CAPTURE


class Pool:
    """Which servers the ways to the service lead to at a time: one that only some directors have left out is there."""

    def __init__(self, servers: Sequence[str], events: Sequence[Event], directors: int = 1) -> None:
        self._times: list[float] = []
        self._members = [tuple(servers)]
        pool = replay.Pool(servers, directors)
        for event in events:
            if event.event in (REMOVED, ADDED):
                pool.change(event.event, event.server, by=event.by)
                self._times.append(event.t_s)
                self._members.append(tuple(name for name in servers if name not in pool.outside))

    def at(self, t_s: float) -> tuple[str, ...]:
        """The members at `t_s`, after what happens at that moment."""
        return self._members[bisect_right(self._times, t_s)]


def opening_servers(
    packets: Packets, traffic: Traffic, subflows: Subflows, addresses: Addresses, known: ServerEvidence
) -> list[Attribution]:
    """For each flow the server that it was opened at."""
    flows = traffic.flows
    name_of = {address: name for name, address in addresses.unique.items()}
    owners = _owners(packets, traffic, subflows, name_of)
    syns = _seen(known.captures, SYN)
    pool = Pool(list(addresses.unique), known.events, known.director_count)
    found = []
    client, port, server = (
        column.tolist() for column in (flows.client_address, flows.client_port, flows.server_address)
    )
    isn = packets.seq[flows.opening].tolist()
    columns = (flows.kind, flows.connection, flows.is_join, flows.opened_ns)
    for flow, (kind, connection, is_join, opened_ns) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if kind == UNIQUE:
            found.append(Attribution(name_of[server[flow]], ADDRESS))
            continue
        if kind != SERVICE:
            found.append(Attribution(None, POOL))
            continue
        seen = syns.get((client[flow], port[flow], isn[flow]))
        present = pool.at((opened_ns - known.start_ns) / _NS)
        if not is_join and connection in owners:
            found.append(Attribution(owners[connection], CONNECTION))
        elif seen:
            found.append(Attribution(seen[0][0], CAPTURE))
        elif len(present) == 1:
            found.append(Attribution(present[0], ONLY))
        else:
            found.append(Attribution(None, POOL, present))
    return found


def senders(
    packets: Packets,
    traffic: Traffic,
    rows: Rows,
    own_server: Sequence[Attribution],
    addresses: Addresses,
    known: ServerEvidence,
) -> list[Attribution]:
    """For each RST of these rows that the client received, the server that sent it.

    Without the flag ACK it answers a packet for which its sender had no socket (RFC 9293 section 3.10.7.1): on the
    service address that is not the flow's own server as long as another one is in the pool.
    """
    flows, sides = traffic.flows, traffic.sides
    resets = _seen(known.captures, RST)
    pool = Pool(list(addresses.unique), known.events, known.director_count)
    name_of = {address: name for name, address in addresses.unique.items()}
    found = []
    for row in rows.tolist():
        flow, t_ns = int(sides.flow[row]), int(packets.time_ns[row])
        t_s = (t_ns - known.start_ns) / _NS
        if flows.kind[flow] != SERVICE:
            name = name_of.get(int(packets.src[row]))
            found.append(Attribution(name, ADDRESS if name else POOL))
            continue
        seen = resets.get((int(packets.dst[row]), int(packets.dport[row]), int(packets.seq[row])), [])
        before = [name for name, at_ns in seen if at_ns <= t_ns]
        if before:
            found.append(Attribution(before[-1], CAPTURE))
            continue
        if known.directors and known.captures:  # what left no server came from a director, with the service address
            names = tuple(known.directors)
            found.append(Attribution(names[0], CAPTURE) if len(names) == 1 else Attribution(None, POOL, names))
            continue
        if not seen and known.captures and known.captures.keys() >= addresses.unique.keys():
            found.append(Attribution(None, CAPTURE))
            continue
        own = own_server[flow]
        if packets.flags[row] & ACK and own.name and flows.has_syn[flow]:
            found.append(own)  # only the socket's own side knows what to acknowledge
            continue
        found.append(_by_elimination(t_s, own, pool, known))
    return found


def _by_elimination(t_s: float, own: Attribution, pool: Pool, known: ServerEvidence) -> Attribution:
    possible = dict.fromkeys((*pool.at(t_s), *pool.at(t_s - _TRANSIT_S)))
    if len(possible) > 1 and own.name:
        possible.pop(own.name, None)
    if len(possible) == 1:
        return Attribution(next(iter(possible)), ONLY)
    counted = [
        name for name in possible
        if name not in known.sent_resets or known.sent_resets[name].rose_between(t_s - _TRANSIT_S, t_s)
    ]  # fmt: skip
    if len(counted) == 1:
        return Attribution(counted[0], COUNTER)
    return Attribution(None, POOL, tuple(counted or possible))


def _owners(packets: Packets, traffic: Traffic, subflows: Subflows, name_of: Mapping[int, str]) -> dict[int, str]:
    """The server of each MPTCP connection, by the address that it announced or to which a join was accepted."""
    flows = traffic.flows
    announced = np.flatnonzero((subflows.add_addr_option >= 0) & (flows.connection >= 0))
    address = packets.add_addr.address[subflows.add_addr_option[announced]].tolist()
    joined = np.flatnonzero((flows.kind == UNIQUE) & flows.is_mptcp & (flows.connection >= 0))
    pairs = [
        *zip(flows.connection[joined].tolist(), flows.server_address[joined].tolist(), strict=True),
        *zip(flows.connection[announced].tolist(), address, strict=True),
    ]
    return {connection: name_of[each] for connection, each in pairs if each in name_of}


def _seen(captures: Mapping[str, Packets], flag: int) -> dict[tuple[int, int, int], list[tuple[str, int]]]:
    """SYNs to, or RSTs from, the servers: which server, and when, by the client's end and the sequence number."""
    found: dict[tuple[int, int, int], list[tuple[str, int]]] = {}
    for name, packets in captures.items():
        is_wanted = (packets.flags & (flag | (ACK if flag == SYN else 0))) == flag
        rows = np.flatnonzero(is_wanted)
        address, port = (packets.src, packets.sport) if flag == SYN else (packets.dst, packets.dport)
        columns = (address, port, packets.seq, packets.time_ns)
        for client, client_port, seq, t_ns in zip(*(column[rows].tolist() for column in columns), strict=True):
            found.setdefault((client, client_port, seq), []).append((name, t_ns))
    for sightings in found.values():
        sightings.sort(key=lambda sighting: sighting[1])
    return found
