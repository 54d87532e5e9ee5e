"""Subflows whose packets came to a server that does not know them, because the route to their address had moved.

Enters: the client's packets and flows, all packets at the servers, which server each flow was opened at. Leaves: for
each such subflow, step by step, what made the client send the first packet that went astray, and what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.connections import Traffic
from analysis.flows.paths import SERVICE
from analysis.flows.servers import Attribution
from analysis.pcap import FIN, RST, SYN, Packets
from analysis.pcap.columns import Rows

ANSWER_TO_REPEAT, ANSWER, OWN_REPEAT, OWN, CLOSE = (
    "answer to a retransmission",
    "answer",
    "retransmission",
    "first transmission",
    "close",
)
"""What the first packet is that came to the other server: an acknowledgement of what the old server retransmitted, or
of what it sent for the first time; data of the client's own, retransmitted or not; or the client's FIN. An empty text:
none of them."""

_LONGEST_DELAY_NS = 250_000_000
"""An acknowledgement that comes later than this is no answer (net/tcp.h, TCP_DELACK_MAX: a fifth of a second)."""

_HALF = 1 << 31


@dataclass(frozen=True)
class Rerouted:
    """A subflow (`flow`), opened at one server, of which a packet came to another one; times in ns on the lab's clock.

    `kind` is what the client's first packet there is. The old server `sent_ns` what it answers, which arrived at the
    client at `arrived_ns`; it `left_ns` the client and `reached_ns` the other server, which answered with a RST at
    `reset_ns`. A time that there is none of is None.
    """

    flow: int
    old: str
    new: str
    kind: str
    sent_ns: int | None
    arrived_ns: int | None
    left_ns: int | None
    reached_ns: int
    reset_ns: int | None


class _RowsBy:
    """Rows of packets, to be found by a key; every row has one in each of the arrays."""

    def __init__(self, *keys: Rows) -> None:
        every = np.concatenate(keys)
        order = np.argsort(every, kind="stable")
        self._keys, self._rows = every[order], order % max(len(keys[0]), 1)

    def of(self, key: int) -> Rows:
        """The rows with this key, ascending."""
        return np.sort(self._rows[slice(*np.searchsorted(self._keys, [key, key + 1]))])


def find_rerouted(
    packets: Packets, traffic: Traffic, at_servers: Mapping[str, Packets], own_server: Sequence[Attribution]
) -> list[Rerouted]:
    """The subflows to the service address that met another server than their own, in order of that."""
    flows = traffic.flows
    known = {
        name: _RowsBy(_ends(each.src, each.sport), _ends(each.dst, each.dport)) for name, each in at_servers.items()
    }
    of_flow = _RowsBy(traffic.sides.flow)
    ends = _ends(flows.client_address, flows.client_port).tolist()
    closes = _next_opening(ends, flows.opened_ns.tolist())

    def at_server(name: str, client: int, from_ns: int, until_ns: int) -> Rows:
        rows = known[name].of(client)
        times = at_servers[name].time_ns[rows]
        return rows[(times >= from_ns) & (times < until_ns)]

    found = []
    for flow, (client, opened_ns, closed_ns) in enumerate(zip(ends, flows.opened_ns.tolist(), closes, strict=True)):
        own = own_server[flow].name
        if flows.kind[flow] != SERVICE or own not in known:
            continue
        for name, seen in at_servers.items():
            if name == own:
                continue
            rows, port = at_server(name, client, opened_ns, closed_ns), flows.client_port[flow]
            astray = rows[(seen.sport[rows] == port) & ((seen.flags[rows] & (SYN | RST)) == 0)]
            if not len(astray):
                continue
            first = int(astray[0])
            reset = rows[((seen.flags[rows] & RST) != 0) & (seen.dport[rows] == port) & (rows > first)]
            mine = of_flow.of(flow)
            left = _sent_as(packets, traffic, mine, seen, first)
            at_old = at_servers[own], at_server(own, client, opened_ns, closed_ns)
            kind, sent_ns, arrived_ns = _because(packets, traffic, mine, left, at_old)
            found.append(
                Rerouted(
                    flow=flow,
                    old=own,
                    new=name,
                    kind=kind,
                    sent_ns=sent_ns,
                    arrived_ns=arrived_ns,
                    left_ns=None if left is None else int(packets.time_ns[left]),
                    reached_ns=int(seen.time_ns[first]),
                    reset_ns=int(seen.time_ns[reset[0]]) if len(reset) else None,
                )
            )
    return sorted(found, key=lambda each: each.reached_ns)


def _ends(address: NDArray[np.uint32], port: NDArray[np.uint16]) -> Rows:
    """Addresses and ports as one number each."""
    return address.astype(np.int64) << 16 | port


def _next_opening(ends: Sequence[int], opened_ns: Sequence[int]) -> list[int]:
    """When the same end of the client's is opened again, for each flow."""
    never = np.iinfo(np.int64).max
    following: dict[int, int] = {}
    found = [never] * len(ends)
    for flow in sorted(range(len(ends)), key=lambda each: -opened_ns[each]):
        found[flow] = following.get(ends[flow], never)
        following[ends[flow]] = opened_ns[flow]
    return found


def _sent_as(packets: Packets, traffic: Traffic, rows: Rows, seen: Packets, first: int) -> int | None:
    """The client's row of a packet that a server has seen: the last of the same numbers before it arrived there."""
    alike = rows[
        traffic.sides.from_client[rows]
        & (packets.time_ns[rows] <= seen.time_ns[first])
        & (packets.seq[rows] == seen.seq[first])
        & (packets.ack[rows] == seen.ack[first])
    ]
    return int(alike[-1]) if len(alike) else None


def _because(
    packets: Packets, traffic: Traffic, rows: Rows, left: int | None, at_old: tuple[Packets, Rows]
) -> tuple[str, int | None, int | None]:
    """What the client's packet is, when the old server sent what it answers, and when that arrived."""
    if left is None:
        return "", None, None
    if packets.payload_bytes[left]:
        before = rows[traffic.sides.from_client[rows] & (rows < left)]
        return (OWN_REPEAT if _has_been(packets, before, int(packets.seq[left])) else OWN), None, None
    if packets.flags[left] & FIN:
        return CLOSE, None, None
    arrived = rows[traffic.sides.to_client[rows] & (rows < left)]
    if not len(arrived) or packets.time_ns[left] - packets.time_ns[arrived[-1]] > _LONGEST_DELAY_NS:
        return "", None, None
    last = int(arrived[-1])
    arrived_ns, seq = int(packets.time_ns[last]), int(packets.seq[last])
    old, at = at_old
    sent = at[(old.src[at] == packets.src[last]) & (old.dport[at] == packets.dport[last])]
    origin = [row for row in sent[old.time_ns[sent] <= arrived_ns].tolist() if _covers(old, row, seq)]
    if not origin:
        return ANSWER, None, arrived_ns
    repeated = _has_been(old, sent[sent < origin[-1]], int(old.seq[origin[-1]]))
    return (ANSWER_TO_REPEAT if repeated else ANSWER), int(old.time_ns[origin[-1]]), arrived_ns


def _covers(packets: Packets, row: int, seq: int) -> bool:
    """Whether a byte is in the row's payload, or its number the row's own."""
    offset = (seq - int(packets.seq[row])) % (1 << 32)
    return offset < max(1, int(packets.payload_bytes[row]))


def _has_been(packets: Packets, rows: Rows, seq: int) -> bool:
    """Whether these rows have got as far as beyond that byte."""
    ends = packets.seq[rows].astype(np.int64) + packets.payload_bytes[rows]
    with_payload = packets.payload_bytes[rows] > 0
    ahead = (ends[with_payload] - seq) % (1 << 32)
    return bool(np.any((ahead > 0) & (ahead < _HALF)))
