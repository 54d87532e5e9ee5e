"""One point's packets with all that is made of them, each when it is first asked for.

Enters: packets, flows, addresses, what is known beside them. Leaves: `Observation`, from which the tables are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.flows.addresses import Addresses
from analysis.flows.connection_ends import ConnectionEnds, connection_ends
from analysis.flows.connections import Traffic
from analysis.flows.in_order import Pieces, find_pieces
from analysis.flows.one_way import OneWay, one_way_delays
from analysis.flows.paths import PAST_DIRECTOR, UNKNOWN_PATH, VIA_DIRECTOR
from analysis.flows.reinjection import Reinjections, find_reinjections
from analysis.flows.resets import Resets, find_resets
from analysis.flows.retransmissions import Retransmissions, find_retransmissions
from analysis.flows.round_trips import RoundTrips, by_acknowledgements, by_time_stamps
from analysis.flows.sequence import Acknowledgements, acknowledgements
from analysis.flows.servers import Attribution, ServerEvidence, opening_servers
from analysis.flows.subflows import Subflows, find_subflows
from analysis.pcap import Packets, tunnel_name
from analysis.pcap.addresses import texts
from analysis.pcap.columns import Rows

_NS = 1_000_000_000
PATHS = {VIA_DIRECTOR: "director", PAST_DIRECTOR: "past", UNKNOWN_PATH: "unknown"}
DIRECTIONS = ("to-client", "to-server")


@dataclass(frozen=True, eq=False)
class Observation:
    """One point's packets and what is known beside them; `end_ns` is the workload's end (None: there is none).

    `elsewhere` are packets captured at other places, by the same clock; without them those copies of `packets` that do
    not count, for captures from anywhere have them all in one. `files` are those of the interfaces whose payload can be
    read again.
    """

    point: str
    packets: Packets
    traffic: Traffic
    addresses: Addresses
    start_ns: int
    end_ns: int | None
    known: ServerEvidence = field(default_factory=ServerEvidence)
    elsewhere: Packets | None = None
    files: Mapping[int, Path] = field(default_factory=dict)

    @cached_property
    def last_ns(self) -> int:
        """When what the tables tell over time ends: with the workload, or else with the captures."""
        return int(self.packets.time_ns.max(initial=self.start_ns)) if self.end_ns is None else self.end_ns

    @cached_property
    def subflows(self) -> Subflows:
        """What happened in each subflow."""
        return find_subflows(self.packets, self.traffic)

    @cached_property
    def servers(self) -> list[Attribution]:
        """The server of each subflow."""
        return opening_servers(
            self.packets, traffic=self.traffic, subflows=self.subflows, addresses=self.addresses, known=self.known
        )

    @cached_property
    def resets(self) -> Resets:
        """The RSTs."""
        return find_resets(
            self.packets,
            traffic=self.traffic,
            subflows=self.subflows,
            acks=self.acks.index,
            own_server=self.servers,
            addresses=self.addresses,
            known=self.known,
            end_ns=self.end_ns,
        )

    @cached_property
    def acks(self) -> Acknowledgements:
        """What was acknowledged."""
        return acknowledgements(self.packets, self.subflows.every)

    @cached_property
    def round_trips(self) -> RoundTrips:
        """Round trips by acknowledgements."""
        return by_acknowledgements(self.packets, self.acks, self.subflows.space)

    @cached_property
    def stamped_round_trips(self) -> RoundTrips:
        """Round trips by time stamps."""
        return by_time_stamps(self.packets, self.subflows.every)

    @cached_property
    def one_way(self) -> OneWay | None:
        """One-way delays; None where one place alone has captured."""
        elsewhere, flows = self.elsewhere, self.traffic.flows
        away = np.arange(2 * len(flows)) % 2 == 1  # a point's packets are the client's own
        if elsewhere is None and (flows.places > 1).any():
            elsewhere = self.packets.select(np.flatnonzero(self.traffic.sides.flow < 0))
            # Of captures from anywhere those count that are nearest to who opened the flow.
            away ^= ~np.repeat(flows.by_client, 2)
        if elsewhere is None or not len(elsewhere):
            return None
        return one_way_delays(self.packets, self.subflows.uniflow, away, elsewhere)

    @cached_property
    def pieces(self) -> Pieces:
        """What came, and when it could be delivered."""
        connection, _, _ = self.numbers
        return find_pieces(self.packets, self.subflows.uniflow, connection, self.traffic.flows.connection >= 0)

    @cached_property
    def retransmissions(self) -> Retransmissions:
        """What was sent again on the same subflow."""
        return find_retransmissions(self.packets, self.traffic.flows, self.subflows, self.acks)

    @cached_property
    def reinjections(self) -> Reinjections:
        """What was sent again on another subflow."""
        carried, mptcp = self.pieces.carried, self.traffic.flows.connection >= 0
        return find_reinjections(self.packets, self.subflows.uniflow, carried.row, carried.cover, mptcp, self.one_way)

    @cached_property
    def numbers(self) -> tuple[Rows, Rows, Rows]:
        """Per flow its connection's number in the tables and its own within that; the first flow of each connection.

        Plain TCP flows are connections of their own, and so are joins of an unknown token. Flows that are not the
        client's have -1.
        """
        flows = self.traffic.flows
        is_client = self.subflows.packets.sum(axis=1) > 0
        every = np.arange(len(flows))
        leader = np.where(
            flows.connection >= 0,
            self.traffic.connection_flow[flows.connection] if self.traffic.mptcp_connections else 0,
            every,
        )
        leaders = np.unique(leader[is_client])
        connection = np.where(is_client, np.searchsorted(leaders, leader), -1)
        order = np.lexsort((every, connection))
        within = np.arange(len(flows)) - np.searchsorted(connection[order], connection[order], side="left")
        subflow = np.empty(len(flows), np.int64)
        subflow[order] = within
        return connection, subflow, leaders

    @cached_property
    def ends(self) -> ConnectionEnds:
        """How each connection of the tables ended."""
        connection, _, leaders = self.numbers
        return connection_ends(
            self.packets,
            traffic=self.traffic,
            subflows=self.subflows,
            resets=self.resets,
            connection=connection,
            leaders=leaders,
            known=self.known,
            end_ns=self.end_ns,
        )

    def seconds(self, rows: Rows) -> np.ma.MaskedArray[Any, Any]:
        """Times of packets in seconds since the start; masked for row -1 and `NEVER`."""
        there = (rows >= 0) & (rows < len(self.packets))
        times = np.zeros(rows.shape, np.float64)
        times[there] = self._since(self.packets.time_ns[rows[there]])
        return np.ma.MaskedArray(times, ~there)

    def _since(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray((times_ns - self.start_ns) / _NS, np.float64)

    def address_texts(self, numbers: NDArray[np.uint32]) -> list[str]:
        """Addresses in the usual notation."""
        # Numbers of IPv6 addresses lie in 0.0.0.0/8, where no IPv4 address does.
        versions = np.where(numbers < len(self.packets.ipv6), 6, 4).astype(np.uint8)
        return texts(numbers, versions, self.packets.ipv6)


def path_names(path: NDArray[np.uint8]) -> NDArray[np.str_]:
    """The tables' names of paths."""
    return np.array([PATHS[code] for code in sorted(PATHS)])[path]


def tunnel_names(bits: NDArray[np.uint8]) -> list[str | None]:
    """What each packet was found in; None: in no tunnel."""
    named = {each: tunnel_name(each) or None for each in set(bits.tolist())}
    return [named[each] for each in bits.tolist()]


def place_names(packets: Packets, rows: Rows) -> list[str]:
    """For each row the file and the interface that it was captured at."""
    named = [" ".join(filter(None, (each.file, each.name))) for each in packets.interfaces] or [""]
    return [named[number] if number < len(named) else "" for number in packets.interface[rows].tolist()]
