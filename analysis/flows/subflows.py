"""What happened in each subflow, by the rows of its packets: handshake, backup, ADD_ADDR, data, close.

Enters: packets with their flows. Leaves: `Subflows`, one row per flow of `Traffic.flows`; a row number that there is
none of is -1. No loop over packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.flows.connections import Traffic
from analysis.flows.grouping import came_before, first_rows, last_rows
from analysis.flows.paths import PAST_DIRECTOR
from analysis.flows.sequence import SequenceSpace, UniflowIndex, sequence_space, uniflows
from analysis.pcap import ACK, FIN, RST, SYN, Packets
from analysis.pcap.columns import Bools, Rows

TO_CLIENT, TO_SERVER = 0, 1
"""Columns of the arrays with one value per direction."""

_JOIN_SYN_BYTES, _JOIN_SYN_ACK_BYTES, _JOIN_ACK_BYTES = 12, 16, 24


@dataclass(frozen=True, eq=False)
class Subflows:
    """One row per flow; `*_row` are rows of packets, arrays of shape (flows, 2) are by direction.

    `uniflow` is 2 * flow + direction of every packet (-1: not a client's), `every` has those that are. `acknowledged`
    says whether the opener ever acknowledged anything, which shows that there was a SYN+ACK even where none was
    captured. `joined_row` is a join's third ACK, with the opener's HMAC; `confirmed_row` the other end's first packet
    after it, data or not, that is no RST: by that it has taken the join. `backup_row` is the first MP_PRIO with B; the
    `add_addr_*` are of the server's ADD_ADDRs and the client's echoes; `past_payload` and `first_past_row` are of data
    past the director.
    """

    uniflow: Rows
    every: UniflowIndex
    space: SequenceSpace
    syns: NDArray[np.int64]
    acknowledged: Bools
    established_row: Rows
    joined_row: Rows
    confirmed_row: Rows
    backup_in_syn: Bools
    opener_address_id: NDArray[np.int64]
    other_address_id: NDArray[np.int64]
    backup_row: Rows
    add_addr_sent: NDArray[np.int64]
    add_addr_repeated: NDArray[np.int64]
    add_addr_echoed: NDArray[np.int64]
    add_addr_row: Rows
    add_addr_echo_row: Rows
    add_addr_option: Rows
    packets: NDArray[np.int64]
    payload: NDArray[np.int64]
    repeated: NDArray[np.int64]
    distinct: NDArray[np.int64]
    past_payload: NDArray[np.int64]
    first_row: Rows
    first_data_row: Rows
    first_past_row: Rows
    last_data_row: Rows
    last_row: Rows
    fin_row: Rows
    resets: NDArray[np.int64]


def find_subflows(packets: Packets, traffic: Traffic) -> Subflows:
    """The subflows of all flows."""
    flows, count = traffic.flows, len(traffic.flows)
    uniflow = uniflows(traffic.sides)
    every = UniflowIndex.of(uniflow)
    space = sequence_space(packets, every)
    flow = np.where(uniflow >= 0, uniflow >> 1, -1)
    opener_uniflow = np.arange(count) * 2 + flows.by_client
    from_opener = (uniflow >= 0) & (uniflow == opener_uniflow[flow])
    flags = packets.flags

    def first(which: Bools) -> Rows:
        rows = np.flatnonzero(which & (uniflow >= 0))
        return first_rows(rows, flow[rows], count)

    answered = flows.answer >= 0
    after_answer = answered[flow] & (np.arange(len(packets)) > flows.answer[flow])
    is_ack = (flags & (SYN | ACK | RST)) == ACK
    is_syn = (flags & (SYN | ACK)) == SYN
    hmac_rows = _table_rows(packets.mp_join, packets.mp_join.length == _JOIN_ACK_BYTES, from_opener)
    joined_row = first_rows(hmac_rows, flow[hmac_rows], count)
    after_hmac = (joined_row >= 0)[flow] & (np.arange(len(packets)) > joined_row[flow])
    prio = packets.mp_prio
    prio_rows = _table_rows(prio, prio.backup, uniflow >= 0)
    join_syn, join_answer = packets.mp_join, flows.answer
    data = np.flatnonzero((packets.payload_bytes > 0) & (uniflow >= 0))
    fins = np.flatnonzero(((flags & FIN) != 0) & (uniflow >= 0))
    past = data[traffic.sides.path[data] == PAST_DIRECTOR]
    everything = np.flatnonzero(uniflow >= 0)
    add_addr = _add_addr(packets, traffic, uniflow)
    return Subflows(
        uniflow=uniflow,
        every=every,
        space=space,
        syns=_count(flow[is_syn & from_opener], count),
        acknowledged=first(is_ack & from_opener) >= 0,
        established_row=first(is_ack & from_opener & after_answer),
        joined_row=joined_row,
        confirmed_row=first(is_ack & ~from_opener & after_hmac),
        backup_in_syn=flows.is_join & (join_syn.first("backup", flows.opening) | join_syn.first("backup", join_answer)),
        opener_address_id=join_syn.first("address_id", flows.opening).astype(np.int64),
        other_address_id=join_syn.first("address_id", join_answer).astype(np.int64),
        backup_row=first_rows(prio_rows, flow[prio_rows], count),
        packets=_count(uniflow[everything], 2 * count).reshape(count, 2),
        payload=_sum(uniflow[data], packets.payload_bytes[data], 2 * count).reshape(count, 2),
        repeated=space.repeated_per_uniflow(2 * count).reshape(count, 2),
        distinct=space.distinct_per_uniflow(2 * count).reshape(count, 2),
        past_payload=_sum(uniflow[past], packets.payload_bytes[past], 2 * count).reshape(count, 2),
        first_row=first_rows(everything, uniflow[everything], 2 * count).reshape(count, 2),
        first_data_row=first_rows(data, uniflow[data], 2 * count).reshape(count, 2),
        first_past_row=first_rows(past, uniflow[past], 2 * count).reshape(count, 2),
        last_data_row=last_rows(data, uniflow[data], 2 * count).reshape(count, 2),
        last_row=last_rows(everything, flow[everything], count),
        fin_row=first_rows(fins, uniflow[fins], 2 * count).reshape(count, 2),
        resets=_count(uniflow[((flags & RST) != 0) & (uniflow >= 0)], 2 * count).reshape(count, 2),
        **add_addr,
    )


def _add_addr(packets: Packets, traffic: Traffic, uniflow: Rows) -> dict[str, NDArray[Any]]:
    table, flows, count = packets.add_addr, traffic.flows, len(traffic.flows)
    of_option = uniflow[table.packet]
    sent = np.flatnonzero((of_option >= 0) & (of_option % 2 == TO_CLIENT) & ~table.echo)
    echoed = np.flatnonzero((of_option >= 0) & (of_option % 2 == TO_SERVER) & table.echo)
    sent_flow, echoed_flow = of_option[sent] >> 1, of_option[echoed] >> 1
    # A repeat may come on another subflow: it is the connection that announces an address.
    owner = np.where(flows.connection[sent_flow] >= 0, flows.connection[sent_flow], count + sent_flow)
    is_repeat = came_before(owner * 256 + table.address_id[sent])
    option = first_rows(sent, sent_flow, count)
    echo_option = first_rows(echoed, echoed_flow, count)
    return {
        "add_addr_sent": _count(sent_flow, count),
        "add_addr_repeated": _count(sent_flow[is_repeat], count),
        "add_addr_echoed": _count(echoed_flow, count),
        "add_addr_row": _packet_of(table.packet, option),
        "add_addr_echo_row": _packet_of(table.packet, echo_option),
        "add_addr_option": option,
    }


def _packet_of(packet: Rows, option: Rows) -> Rows:
    rows = np.full(len(option), -1, np.int64)
    rows[option >= 0] = packet[option[option >= 0]]
    return rows


def _table_rows(table: Any, which: Bools, packets: Bools) -> Rows:
    rows: Rows = table.packet[which]
    return rows[packets[rows]]


def _count(group: Rows, groups: int) -> NDArray[np.int64]:
    return np.bincount(group, minlength=groups).astype(np.int64)


def _sum(group: Rows, values: NDArray[Any], groups: int) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.bincount(group, values, minlength=groups).astype(np.int64)
    return total
