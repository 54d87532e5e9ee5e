"""The table of connections, in order of opening."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.mptcp_options import DENY_JOIN_TO_INITIAL_ADDRESS
from analysis.flows.observation import Observation
from analysis.flows.reinjection import reinjected_bytes
from analysis.flows.resets import NEVER
from analysis.flows.subflows import TO_CLIENT, TO_SERVER, Subflows
from analysis.flows.tcp_flows import unknown_protocol
from analysis.pcap import Option, Packets
from analysis.pcap.columns import Bools, Rows
from analysis.tables import TABLES


def tabulate_connections(observed: Observation) -> pa.Table:
    """The table `connections`."""
    packets, traffic, subflows = observed.packets, observed.traffic, observed.subflows
    flows = traffic.flows
    connection, _, leaders = observed.numbers
    count = len(leaders)
    member = np.flatnonzero(connection >= 0)
    of = connection[member]

    def total(values: NDArray[Any]) -> NDArray[np.int64]:
        return np.asarray(np.bincount(of, values[member], minlength=count), np.int64)

    def earliest(rows_: Rows, which: Bools | None = None) -> Rows:
        found = np.full(count, NEVER, np.int64)
        chosen = rows_[member] >= 0 if which is None else (rows_[member] >= 0) & which[member]
        np.minimum.at(found, of[chosen], rows_[member][chosen])
        return found

    def latest(rows_: Rows) -> Rows:
        found = np.full(count, -1, np.int64)
        np.maximum.at(found, of, rows_[member])
        return found

    is_mptcp = flows.connection[leaders] >= 0
    spoken = _speaks_mptcp(packets, subflows.uniflow, len(flows))
    offered = flows.has_syn & (packets.mp_capable.first("length", flows.opening) > 0)
    is_unknown = unknown_protocol(packets, flows)
    answer_flags = packets.mp_capable.first("flags", flows.answer[leaders])
    carried = observed.pieces.carried
    reinjected = reinjected_bytes(subflows.uniflow, carried.row, carried.cover, connection, count)
    joined = flows.is_join & flows.is_mptcp
    first_join, first_past = earliest(flows.answer, joined), earliest(subflows.first_past_row[:, TO_CLIENT])
    bytes_to_client = total(subflows.payload[:, TO_CLIENT])
    past_to_client = total(subflows.past_payload[:, TO_CLIENT])
    syn_row = np.where(flows.has_syn, flows.opening, -1)[leaders]
    token = np.ma.MaskedArray(flows.token[leaders], ~is_mptcp)
    ends = observed.ends
    tokens = flows.client_token[leaders]
    columns: dict[str, Any] = {
        "point": [observed.point] * count,
        "connection": np.arange(count),
        "protocol": np.select(
            [
                is_mptcp,
                is_unknown[leaders],
                offered[leaders] & flows.answered[leaders],
                offered[leaders] | flows.is_join[leaders] | (spoken & ~flows.has_syn)[leaders],
            ],
            ["mptcp", "unknown", "fallback", "mptcp"],
            "tcp",
        ),
        "client_address": observed.address_texts(flows.client_address[leaders]),
        "client_port": flows.client_port[leaders],
        "server_address": observed.address_texts(flows.server_address[leaders]),
        "server_port": flows.server_port[leaders],
        "token": token,
        "client_token": np.ma.MaskedArray(tokens, tokens < 0),
        "mptcp_version": np.ma.MaskedArray(
            packets.mp_capable.first("version", flows.answer[leaders]), ~is_mptcp | ~flows.answered[leaders]
        ),
        "deny_join": np.ma.MaskedArray(
            (answer_flags & DENY_JOIN_TO_INITIAL_ADDRESS) != 0, ~is_mptcp | ~flows.answered[leaders]
        ),
        "server": [observed.servers[flow].name for flow in leaders.tolist()],
        "server_evidence": [observed.servers[flow].evidence for flow in leaders.tolist()],
        "syn_s": observed.seconds(syn_row),
        "established_s": observed.seconds(subflows.established_row[leaders]),
        "first_data_s": observed.seconds(earliest(subflows.first_data_row[:, TO_CLIENT])),
        "last_data_s": observed.seconds(latest(subflows.last_data_row[:, TO_CLIENT])),
        "last_new_data_s": observed.seconds(latest(_last_new_rows(subflows, len(flows)))),
        "end_s": observed.seconds(ends.row),
        "join_wait_s": observed.seconds(first_join) - observed.seconds(flows.answer[leaders]),
        "join_confirmed_s": observed.seconds(earliest(subflows.confirmed_row)),
        "past_wait_s": observed.seconds(first_past) - observed.seconds(syn_row),
        "subflows": np.bincount(of, minlength=count),
        "subflows_established": total((subflows.established_row >= 0).astype(np.int64)),
        "add_addr_sent": total(subflows.add_addr_sent),
        "add_addr_echoed": total(subflows.add_addr_echoed),
        "bytes_to_client": bytes_to_client,
        "bytes_to_server": total(subflows.payload[:, TO_SERVER]),
        "bytes_past_to_client": past_to_client,
        "bytes_past_to_server": total(subflows.past_payload[:, TO_SERVER]),
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


def _last_new_rows(subflows: Subflows, flows: int) -> Rows:
    """For each flow the last packet to the client with payload that it had not had in this flow before, or -1."""
    space = subflows.space
    fresh = (space.payload > space.repeated) & (space.index.uniflow % 2 == TO_CLIENT)
    found = np.full(flows, -1, np.int64)
    np.maximum.at(found, space.index.uniflow[fresh] >> 1, space.index.rows[fresh])
    return found


def _speaks_mptcp(packets: Packets, uniflow: Rows, flows: int) -> Bools:
    """Which flows carry any option of MPTCP: what tells it where the handshake was not captured."""
    rows = np.flatnonzero(((packets.options & Option.ANY_MPTCP) != 0) & (uniflow >= 0))
    found = np.zeros(flows, np.bool_)
    found[uniflow[rows] >> 1] = True
    return found
