"""The tables of connections, subflows, RSTs and seconds of one point, or of captures that are no point.

Enters: an `Observation`. Leaves: Arrow tables as `analysis.tables.catalogue` declares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.connection_ends import ConnectionEnds, connection_ends
from analysis.connections import Traffic
from analysis.flows import PAST_DIRECTOR, VIA_DIRECTOR, VIA_UNLISTED
from analysis.mptcp_options import DENY_JOIN_TO_INITIAL_ADDRESS
from analysis.pcap import ACK, RST, Packets
from analysis.pcap.addresses import texts
from analysis.pcap.columns import Bools, Rows
from analysis.point import Addresses
from analysis.reinjection import reinjected_bytes
from analysis.resets import NEVER, Resets, find_resets
from analysis.servers import Named, Witnesses, homes
from analysis.subflows import TO_CLIENT, TO_SERVER, Subflows, find_subflows
from analysis.tables import TABLES

_NS = 1_000_000_000
_PATHS = {VIA_DIRECTOR: "director", PAST_DIRECTOR: "past", VIA_UNLISTED: "unknown"}
DIRECTIONS = ("to-client", "to-server")


@dataclass(frozen=True, eq=False)
class Observation:
    """One point's packets and what is known beside them; `end_ns` is the workload's end (None: there is none)."""

    point: str
    packets: Packets
    traffic: Traffic
    addresses: Addresses
    start_ns: int
    end_ns: int | None
    known: Witnesses = field(default_factory=Witnesses)

    @cached_property
    def subflows(self) -> Subflows:
        """What happened in each subflow."""
        return find_subflows(self.packets, self.traffic)

    @cached_property
    def homes(self) -> list[Named]:
        """The server of each subflow."""
        return homes(self.packets, self.traffic, self.subflows, self.addresses, self.known)

    @cached_property
    def resets(self) -> Resets:
        """The RSTs."""
        return find_resets(
            self.packets, self.traffic, self.subflows, self.homes, self.addresses, self.known, self.end_ns
        )

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
            self.packets, self.traffic, self.subflows, self.resets, connection, leaders, self.known, self.end_ns
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


def tabulate(observed: Observation) -> dict[str, pa.Table]:
    """The tables `connections`, `subflows`, `resets` and `seconds`."""
    return {
        "connections": _connections(observed),
        "subflows": _subflows(observed),
        "resets": _resets(observed),
        "seconds": _seconds(observed),
    }


def _subflows(observed: Observation) -> pa.Table:
    packets, flows, subflows = observed.packets, observed.traffic.flows, observed.subflows
    connection, number, _ = observed.numbers
    rows = np.flatnonzero(connection >= 0)
    rows = rows[np.lexsort((number[rows], connection[rows]))]
    by_client = flows.by_client
    kind = np.select([~flows.has_syn, flows.is_join, flows.connection >= 0], ["headless", "join", "initial"], "tcp")
    offered = flows.has_syn & (packets.mp_capable.first("length", flows.opening) > 0)
    accepted = np.where(flows.is_join | offered, flows.is_mptcp, True) & flows.answered
    ids = (subflows.opener_address_id, subflows.other_address_id)
    end, end_by, end_row = _subflow_ends(observed)
    option = subflows.add_addr_option
    add_addr: list[str | None] = [None] * len(flows)
    announced = np.flatnonzero(option >= 0)
    named = texts(
        packets.add_addr.address[option[announced]], packets.add_addr.ip_version[option[announced]], packets.ipv6
    )
    for flow, text in zip(announced.tolist(), named, strict=True):
        add_addr[flow] = text
    backup_lane = subflows.lane[subflows.backup_row] if len(packets) else np.zeros(0, np.int64)
    backup_by = np.where(backup_lane % 2 == TO_CLIENT, "server", "client")
    columns: dict[str, Any] = {
        "point": [observed.point] * len(rows),
        "connection": connection,
        "subflow": number,
        "kind": kind,
        "path": path_names(flows.via),
        "server": [each.name for each in observed.homes],
        "server_evidence": [each.evidence for each in observed.homes],
        "opened_by": np.where(by_client, "client", "server"),
        "client_address": observed.address_texts(flows.client_address),
        "client_port": flows.client_port,
        "server_address": observed.address_texts(flows.server_address),
        "server_port": flows.server_port,
        "client_address_id": np.ma.MaskedArray(np.where(by_client, *ids), ~flows.is_join),
        "server_address_id": np.ma.MaskedArray(np.where(by_client, *ids[::-1]), ~flows.is_join),
        "interface": place_names(packets, flows.opening),
        "points_seen": flows.places,
        "syn_s": observed.seconds(np.where(flows.has_syn, flows.opening, -1)),
        "syns": subflows.syns,
        "syn_ack_s": observed.seconds(flows.answer),
        "established_s": observed.seconds(subflows.established_row),
        "joined_s": observed.seconds(subflows.joined_row),
        "accepted": np.ma.MaskedArray(accepted, ~flows.has_syn),
        "backup_in_syn": np.ma.MaskedArray(subflows.backup_in_syn, ~flows.is_join),
        "backup_s": observed.seconds(subflows.backup_row),
        "backup_by": _optional(backup_by, subflows.backup_row >= 0),
        "add_addr_sent": subflows.add_addr_sent,
        "add_addr_repeated": subflows.add_addr_repeated,
        "add_addr_echoed": subflows.add_addr_echoed,
        "add_addr_s": observed.seconds(subflows.add_addr_row),
        "add_addr_echo_s": observed.seconds(subflows.add_addr_echo_row),
        "add_addr_address": add_addr,
        "fin_by_client_s": observed.seconds(subflows.fin_row[:, TO_SERVER]),
        "fin_by_server_s": observed.seconds(subflows.fin_row[:, TO_CLIENT]),
        "resets_by_client": subflows.resets[:, TO_SERVER],
        "resets_by_server": subflows.resets[:, TO_CLIENT],
        "end": end,
        "end_by": end_by,
        "end_s": observed.seconds(end_row),
    }
    for direction, name in enumerate(("client", "server")):
        columns |= {
            f"first_data_to_{name}_s": observed.seconds(subflows.first_data_row[:, direction]),
            f"last_data_to_{name}_s": observed.seconds(subflows.last_data_row[:, direction]),
            f"packets_to_{name}": subflows.packets[:, direction],
            f"bytes_to_{name}": subflows.payload[:, direction],
            f"distinct_to_{name}": subflows.distinct[:, direction],
            f"retransmitted_to_{name}": subflows.repeated[:, direction],
        }
    return _table("subflows", columns, rows)


def _subflow_ends(observed: Observation) -> tuple[NDArray[np.str_], list[str | None], Rows]:
    """How each flow ended, by whom, and the row of that."""
    flows, subflows, resets = observed.traffic.flows, observed.subflows, observed.resets
    fins = subflows.fin_row
    was_reset, closed = resets.ended_row != NEVER, resets.closed_row != NEVER
    reset_row = np.where(was_reset, resets.ended_row, -1)
    before_answer = flows.has_syn & ~(flows.answered & (flows.answer < resets.ended_row)) & was_reset
    end = np.select(
        [before_answer, was_reset, closed, (fins >= 0).any(axis=1), flows.has_syn & ~flows.answered],
        ["refused", "reset", "closed", "half-closed", "unanswered"],
        "open",
    )
    last = np.where(was_reset, reset_row, np.where(closed, np.minimum(resets.closed_row, 1 << 62), -1))
    first_fin = np.where(
        (fins[:, TO_SERVER] >= 0) & ((fins[:, TO_CLIENT] < 0) | (fins[:, TO_SERVER] < fins[:, TO_CLIENT])), 0, 1
    )
    by_reset = subflows.lane[reset_row] % 2 == TO_CLIENT if len(subflows.lane) else np.zeros(0, np.bool_)
    by = np.where(was_reset, np.where(by_reset, "server", "client"), np.where(first_fin == 0, "client", "server"))
    return end, _optional(by, was_reset | closed), last


def _connections(observed: Observation) -> pa.Table:
    packets, traffic, subflows = observed.packets, observed.traffic, observed.subflows
    flows = traffic.flows
    connection, _, leaders = observed.numbers
    count = len(leaders)
    member = np.flatnonzero(connection >= 0)
    of = connection[member]

    def total(values: NDArray[Any], which: Bools | None = None) -> NDArray[np.int64]:
        chosen = values[member] if which is None else np.where(which[member], values[member], 0)
        return np.asarray(np.bincount(of, chosen, minlength=count), np.int64)

    def earliest(rows_: Rows, which: Bools | None = None) -> Rows:
        found = np.full(count, NEVER, np.int64)
        chosen = rows_[member] >= 0 if which is None else (rows_[member] >= 0) & which[member]
        np.minimum.at(found, of[chosen], rows_[member][chosen])
        return found

    def latest(rows_: Rows) -> Rows:
        found = np.full(count, -1, np.int64)
        np.maximum.at(found, of, rows_[member])
        return found

    past = flows.via == PAST_DIRECTOR
    is_mptcp = flows.connection[leaders] >= 0
    offered = flows.has_syn & (packets.mp_capable.first("length", flows.opening) > 0)
    answer_flags = packets.mp_capable.first("flags", flows.answer[leaders])
    reinjected = np.zeros((count, 2), np.int64)
    again = reinjected_bytes(packets, subflows.lane, flows.connection, traffic.mptcp_connections)
    reinjected[is_mptcp] = again[flows.connection[leaders[is_mptcp]]]
    joined = flows.is_join & flows.is_mptcp
    first_join, first_past = earliest(flows.answer, joined), earliest(subflows.first_data_row[:, TO_CLIENT], past)
    bytes_to_client = total(subflows.payload[:, TO_CLIENT])
    past_to_client = total(subflows.payload[:, TO_CLIENT], past)
    syn_row = np.where(flows.has_syn, flows.opening, -1)[leaders]
    token = np.ma.MaskedArray(flows.token[leaders], ~is_mptcp)
    ends = observed.ends
    tokens = flows.client_token[leaders]
    columns: dict[str, Any] = {
        "point": [observed.point] * count,
        "connection": np.arange(count),
        "protocol": np.select(
            [is_mptcp, offered[leaders] & flows.answered[leaders], offered[leaders] | flows.is_join[leaders]],
            ["mptcp", "fallback", "mptcp"],
            "tcp",
        ),
        "client_address": observed.address_texts(flows.client_address[leaders]),
        "client_port": flows.client_port[leaders],
        "server_address": observed.address_texts(flows.server_address[leaders]),
        "server_port": flows.server_port[leaders],
        "token": token,
        "client_token": np.ma.MaskedArray(tokens, tokens < 0),
        "mptcp_version": np.ma.MaskedArray(packets.mp_capable.first("version", flows.answer[leaders]), ~is_mptcp),
        "deny_join": np.ma.MaskedArray((answer_flags & DENY_JOIN_TO_INITIAL_ADDRESS) != 0, ~is_mptcp),
        "server": [observed.homes[flow].name for flow in leaders.tolist()],
        "server_evidence": [observed.homes[flow].evidence for flow in leaders.tolist()],
        "syn_s": observed.seconds(syn_row),
        "established_s": observed.seconds(subflows.established_row[leaders]),
        "first_data_s": observed.seconds(earliest(subflows.first_data_row[:, TO_CLIENT])),
        "last_data_s": observed.seconds(latest(subflows.last_data_row[:, TO_CLIENT])),
        "end_s": observed.seconds(ends.row),
        "join_wait_s": observed.seconds(first_join) - observed.seconds(flows.answer[leaders]),
        "past_wait_s": observed.seconds(first_past) - observed.seconds(syn_row),
        "subflows": np.bincount(of, minlength=count),
        "subflows_established": total((subflows.established_row >= 0).astype(np.int64)),
        "add_addr_sent": total(subflows.add_addr_sent),
        "add_addr_echoed": total(subflows.add_addr_echoed),
        "bytes_to_client": bytes_to_client,
        "bytes_to_server": total(subflows.payload[:, TO_SERVER]),
        "bytes_past_to_client": past_to_client,
        "bytes_past_to_server": total(subflows.payload[:, TO_SERVER], past),
        "past_share": np.ma.MaskedArray(past_to_client / np.maximum(bytes_to_client, 1), bytes_to_client == 0),
        "distinct_to_client": total(subflows.distinct[:, TO_CLIENT]) - reinjected[:, TO_CLIENT],
        "distinct_to_server": total(subflows.distinct[:, TO_SERVER]) - reinjected[:, TO_SERVER],
        "retransmitted_to_client": total(subflows.repeated[:, TO_CLIENT]),
        "retransmitted_to_server": total(subflows.repeated[:, TO_SERVER]),
        "reinjected_to_client": reinjected[:, TO_CLIENT],
        "reinjected_to_server": reinjected[:, TO_SERVER],
        "churn_events": ends.churn_events,
        "end": ends.end,
        "survived": ends.survived,
        "why": ends.why,
        "reset": np.ma.MaskedArray(ends.reset, ends.reset < 0),
    }
    return TABLES["connections"].of_columns(columns)


def _resets(observed: Observation) -> pa.Table:
    packets, resets = observed.packets, observed.resets
    connection, subflow, _ = observed.numbers
    row, flow = resets.row, resets.flow
    times = packets.time_ns[row]
    inside = times >= observed.start_ns
    if observed.end_ns is not None:
        inside &= times <= observed.end_ns
    churn = resets.churn
    is_stray = [each is not None and cause == "no-socket" for each, cause in zip(churn, resets.cause, strict=True)]
    homes_ = [observed.homes[each].name for each in flow.tolist()]
    has_reason = np.isin(row, packets.mp_tcprst.packet)
    columns = {
        "point": [observed.point] * len(row),
        "reset": np.arange(len(row)),
        "t_s": observed.seconds(row),
        "in_workload": inside,
        "direction": [DIRECTIONS[not each] for each in resets.to_client.tolist()],
        "sender": [each.name for each in resets.sender],
        "sender_evidence": [each.evidence for each in resets.sender],
        "candidates": [" ".join(each.candidates) or each.name for each in resets.sender],
        "src": observed.address_texts(packets.src[row]),
        "sport": packets.sport[row],
        "dst": observed.address_texts(packets.dst[row]),
        "dport": packets.dport[row],
        "ttl": packets.ttl[row],
        "connection": np.ma.MaskedArray(connection[flow], connection[flow] < 0),
        "subflow": np.ma.MaskedArray(subflow[flow], connection[flow] < 0),
        "path": path_names(observed.traffic.flows.via[flow]),
        "has_ack": (packets.flags[row] & ACK) != 0,
        "seq_relative": resets.acceptance.relative,
        "acceptable": resets.acceptance.verdict,
        "receiver_open": resets.receiver_open,
        "ended_subflow": resets.ended_subflow,
        "ended_connection": resets.ended_connection,
        "mptcp_reason": np.ma.MaskedArray(packets.mp_tcprst.first("reason", row), ~has_reason),
        "cause": list(resets.cause),
        "churn": [each and each.event.event.removeprefix("server-") for each in churn],
        "churn_server": [each and each.event.server for each in churn],
        "churn_t_s": [each and each.event.t for each in churn],
        "churn_evidence": [each and each.evidence for each in churn],
        "moved_from": [name if stray else None for name, stray in zip(homes_, is_stray, strict=True)],
        "moved_to": [each.name if stray else None for each, stray in zip(resets.sender, is_stray, strict=True)],
    }
    return TABLES["resets"].of_columns(columns)


def _seconds(observed: Observation) -> pa.Table:
    packets, sides = observed.packets, observed.traffic.sides
    last_ns = observed.end_ns if observed.end_ns is not None else int(packets.time_ns.max(initial=observed.start_ns))
    whole = (last_ns - observed.start_ns + 1000) // _NS
    count = -(-(last_ns - observed.start_ns) // _NS) if last_ns > observed.start_ns else 1
    second = (packets.time_ns - observed.start_ns) // _NS
    server = np.where(sides.to_client, packets.src, packets.dst).astype(np.int64)
    names = {address: name for name, address in observed.addresses.unique.items()}
    inside = np.flatnonzero((sides.to_client | sides.from_client) & (second >= 0) & (packets.time_ns <= last_ns))
    # A packet at the very end belongs to the last second.
    second = np.minimum(second[inside], count - 1)
    label = np.where(sides.via[inside] == PAST_DIRECTOR, server[inside], -1 - sides.via[inside].astype(np.int64))
    labels = np.unique(
        np.concatenate([label, [-1 - VIA_DIRECTOR], sorted(names) if (sides.via == PAST_DIRECTOR).any() else []])
    )
    labels = labels.astype(np.int64)
    group = (np.searchsorted(labels, label) * 2 + sides.from_client[inside]) * count + second
    groups = len(labels) * 2 * count

    def total(values: NDArray[Any] | None) -> NDArray[np.int64]:
        return np.asarray(np.bincount(group, values, minlength=groups), np.int64)

    def of_label(found: Sequence[str | None]) -> list[str | None]:
        return [each for each in found for _ in range(2 * count)]

    paths = [_PATHS[-1 - label_] if label_ < 0 else "past" for label_ in labels.tolist()]
    each_second = np.tile(np.arange(count), 2 * len(labels))
    columns = {
        "point": [observed.point] * groups,
        "second": each_second,
        "path": of_label(paths),
        "server": of_label([names.get(label_) if label_ >= 0 else None for label_ in labels.tolist()]),
        "direction": [DIRECTIONS[direction] for _ in labels for direction in (0, 1) for _ in range(count)],
        "whole": each_second < whole,
        "packets": total(None),
        "payload_bytes": total(packets.payload_bytes[inside]),
        "ip_bytes": total(packets.ip_bytes[inside]),
        "resets": total((packets.flags[inside] & RST) != 0),
    }
    return TABLES["seconds"].of_columns(columns)


def _table(name: str, columns: Mapping[str, Any], rows: Rows) -> pa.Table:
    """A table of these rows of columns that have one element per flow (the column `point` is there already)."""
    chosen = {
        key: values
        if key == "point"
        else values[rows]
        if isinstance(values, np.ndarray)
        else [values[row] for row in rows]
        for key, values in columns.items()
    }
    return TABLES[name].of_columns(chosen)


def path_names(via: NDArray[np.uint8]) -> NDArray[np.str_]:
    """The tables' names of paths."""
    return np.array([_PATHS[code] for code in sorted(_PATHS)])[via]


def _optional(values: Any, which: Bools) -> list[str | None]:
    return [str(value) if there else None for value, there in zip(values, which.tolist(), strict=True)]


def place_names(packets: Packets, rows: Rows) -> list[str]:
    """For each row the file and the interface that it was captured at."""
    named = [" ".join(filter(None, (each.file, each.name))) for each in packets.interfaces] or [""]
    return [named[number] if number < len(named) else "" for number in packets.interface[rows].tolist()]
