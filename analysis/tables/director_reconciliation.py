"""What passed each director, three times: captured at its links, counted by its interfaces, counted by the balancer.

Enters: packets captured at the links that lead away from the servers, readings before and after. Leaves: `Passage`, a
row of the table `directors` each, and `Reconciliation`s of the three. All bytes begin with IP's header: the interfaces'
counts have Ethernet's, of 14 bytes a packet, in addition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.flows.connections import Traffic
from analysis.flows.paths import VIA_DIRECTOR
from analysis.pcap import Packets
from analysis.tables.reconciliation import Reconciliation
from testbed.record.director import DirectorStatistics, Reading

_NS = 1_000_000_000
_ETHERNET_BYTES = 14
_TOLERANCE = 0.001
_SMALL_BYTES = 100
"""What a packet that is no TCP has at most: ARP, neighbour discovery, ICMP."""

_LARGEST_BYTES = 65_535
"""And a burst of segments."""

Direction = Literal["to-servers", "to-clients"]
_COUNTERS: Mapping[Direction, str] = {"to-servers": "rx", "to-clients": "tx"}


@dataclass(frozen=True)
class Passage:
    """Bytes and packets that passed a director in one direction; the balancer's are None where it does not count."""

    director: str
    direction: Direction
    captured_bytes: int
    captured_packets: int
    interface_bytes: int
    interface_packets: int
    balancer_bytes: int | None
    balancer_packets: int | None
    dropped_packets: int


def passages(
    statistics: DirectorStatistics, packets: Mapping[str, Packets], links: Mapping[str, Sequence[str]], start_ns: int
) -> list[Passage]:
    """Both directions of every director, from the workload's start to the last reading; `links` were captured."""
    end_ns = start_ns + round(statistics.after_s[1] * _NS)
    found = []
    for name, before in statistics.before.items():
        after, mine = statistics.after[name], packets[name]
        within = (mine.time_ns >= start_ns) & (mine.time_ns <= end_ns)
        # The client's port is the greater one, as everywhere.
        to_servers = mine.sport > mine.dport
        for direction in _COUNTERS:
            rows = within & (to_servers if direction == "to-servers" else ~to_servers)
            counted = _counted(before, after, links[name], _COUNTERS[direction])
            balanced = _balanced(before, after, direction)
            found.append(
                Passage(
                    director=name,
                    direction=direction,
                    captured_bytes=int(mine.ip_bytes[rows].sum(dtype=np.int64)),
                    captured_packets=int(np.count_nonzero(rows)),
                    interface_bytes=counted[0] - _ETHERNET_BYTES * counted[1],
                    interface_packets=counted[1],
                    balancer_bytes=balanced[0],
                    balancer_packets=balanced[1],
                    dropped_packets=_dropped(before, after, links[name]) if direction == "to-clients" else 0,
                )
            )
    return found


def _counted(before: Reading, after: Reading, links: Sequence[str], way: str) -> tuple[int, int]:
    grown = [
        sum(after.interfaces[link][f"{way}_{what}"] - before.interfaces[link][f"{way}_{what}"] for link in links)
        for what in ("bytes", "packets")
    ]
    return grown[0], grown[1]


def _dropped(before: Reading, after: Reading, links: Sequence[str]) -> int:
    return sum(after.dropped.get(link, 0) - before.dropped.get(link, 0) for link in links)


def _balanced(before: Reading, after: Reading, direction: Direction) -> tuple[int | None, int | None]:
    name = direction.replace("-", "_")
    first, last = getattr(before.balancer, name), getattr(after.balancer, name)
    return (None, None) if first is None or last is None else (last.bytes - first.bytes, last.packets - first.packets)


def reconcile_passages(found: Sequence[Passage], *, changed: bool) -> Iterator[Reconciliation]:
    """The interfaces' and the balancer's bytes against the captured ones; they agree within 0.1 %.

    `changed`: the pool or the directors have. A balancer counts what it forwards, and then packets come to it for which
    it knows no server any more, or go to a link that has fallen silent.
    """
    for each in found:
        others = max(each.interface_packets - each.captured_packets, 0)
        spare = others * _SMALL_BYTES
        yield Reconciliation(
            quantity=f"bytes {each.direction.replace('-', ' the ')} by the interfaces",
            node=each.director,
            counted=each.interface_bytes,
            explained=each.captured_bytes,
            holds=_agree(each.interface_bytes, each.captured_bytes, spare),
            note=f"without Ethernet's headers, against the capture at the links; {others} of the packets are no TCP",
        )
        if each.balancer_bytes is None:
            continue
        # What the director's own queue dropped the balancer had forwarded.
        lost = (each.balancer_packets or 0) - each.captured_packets
        spare = lost * _LARGEST_BYTES if 0 < lost <= each.dropped_packets else 0
        agree = _agree(each.balancer_bytes, each.captured_bytes, spare)
        holds = None if changed and not agree else agree
        note = f"{each.balancer_packets} packets, against {each.captured_packets} in the capture at the links"
        if each.dropped_packets:
            note += f"; {each.dropped_packets} dropped by the director's own queue"
        if holds is None:
            note += (
                "; of connections whose server has left it drops some, and counts none; what it forwards when it is "
            )
            note += "lost is on no wire"
        yield Reconciliation(
            quantity=f"bytes {each.direction.replace('-', ' the ')} by the balancer",
            node=each.director,
            counted=each.balancer_bytes,
            explained=each.captured_bytes,
            holds=holds,
            note=note,
        )


def reconcile_paths(packets: Packets, traffic: Traffic) -> Reconciliation:
    """The payload to the client that came through a director, by the point's plan and by where it was seen."""
    to_client = traffic.sides.to_client
    by_plan, by_sight = (
        int(packets.payload_bytes[to_client & (path == VIA_DIRECTOR)].sum(dtype=np.int64))
        for path in (traffic.sides.planned, traffic.sides.path)
    )
    return Reconciliation(
        quantity="payload to the client through a director",
        node=None,
        counted=by_plan,
        explained=by_sight,
        holds=by_plan == by_sight,
        note="by direction, interface and address as planned, against what was captured at a director, too",
    )


def _agree(counted: int, captured: int, spare: int) -> bool:
    return abs(counted - captured) <= _TOLERANCE * max(counted, captured) + spare
