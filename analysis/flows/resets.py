"""Every RST: whom it hit, whether that ended something, why it was sent, and which change of routes was behind it.

Enters: packets, flows, subflows, what is known beside them. Leaves: `Resets`, one row per RST at the client, in order
of time. `CAUSES` in `analysis.tables.catalogue` says what each cause means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.addresses import Addresses
from analysis.flows.connections import Traffic
from analysis.flows.grouping import first_rows
from analysis.flows.paths import SERVICE
from analysis.flows.rst_acceptability import EXACT, UNKNOWN, Acceptability, judge_acceptability
from analysis.flows.sequence import UniflowIndex
from analysis.flows.servers import REMOVED, Attribution, Pool, ServerEvidence, senders
from analysis.flows.subflows import TO_CLIENT, TO_SERVER, Subflows
from analysis.flows.tcp_flows import Flows
from analysis.pcap import ACK, RST, Option, Packets
from analysis.pcap.columns import Bools, Rows
from testbed.record.events import Event, changes

NEVER = np.iinfo(np.int64).max
_NS = 1_000_000_000


@dataclass(frozen=True)
class Churn:
    """The change of routes behind a RST; `evidence` is `server` (the flow's own server was out) or `timeline`."""

    event: Event
    evidence: str


@dataclass(frozen=True, eq=False)
class Resets:
    """One element per RST: its row, its flow, and what became of it.

    `receiver_open` is masked where the receiver's end was not captured. `ended_row`, `closed_row`: per flow the row of
    the RST that ended it, and the row by which FINs had gone both ways (`NEVER`: none). `aborted_row`: per flow the row
    of the first MP_FASTCLOSE of its connection.
    """

    row: Rows
    flow: Rows
    to_client: Bools
    acceptability: Acceptability
    sender: Sequence[Attribution]
    receiver_open: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.bool_]]
    ended_subflow: Bools
    ended_connection: Bools
    cause: Sequence[str]
    churn: Sequence[Churn | None]
    ended_row: Rows
    closed_row: Rows
    aborted_row: Rows


def find_resets(
    packets: Packets,
    traffic: Traffic,
    subflows: Subflows,
    acks: UniflowIndex,
    own_server: Sequence[Attribution],
    addresses: Addresses,
    known: ServerEvidence,
    end_ns: int | None,
) -> Resets:
    """All RSTs to and from the client; `end_ns` is the workload's end (None: it has none)."""
    flows, uniflow = traffic.flows, subflows.uniflow
    row = np.flatnonzero(((packets.flags & RST) != 0) & (uniflow >= 0))
    flow, to_client = uniflow[row] >> 1, (uniflow[row] & 1) == TO_CLIENT
    acceptability = judge_acceptability(packets, traffic, subflows, acks, row)
    fins = subflows.fin_row
    closed_row = np.where((fins >= 0).all(axis=1), fins.max(axis=1, initial=-1), NEVER)
    # A client that sends a RST has no socket any more, whatever its receiver makes of it. But in SYN-SENT it answers so
    # to a packet of an earlier connection on the same port, and waits on (RFC 9293 section 3.10.7.3).
    waits_on = (
        ~to_client
        & flows.by_client[flow]
        & _before_answer(flows, subflows, flow, row)
        & ((packets.flags[row] & ACK) == 0)
    )
    ends = (~to_client & ~waits_on) | (to_client & np.isin(acceptability.verdict, (EXACT, UNKNOWN)))
    first = first_rows(row[ends], flow[ends], len(flows))
    ended_row = np.where((first >= 0) & (first < closed_row), first, NEVER)
    ended_subflow = row == ended_row[flow]
    still = (row <= ended_row[flow]) & (row < closed_row[flow])
    # After a RST to the client the server's end may be open still: another server may have sent it.
    by_server = np.zeros(len(flows), np.bool_)
    by_server[flow[ended_subflow & to_client]] = True
    receiver_open = np.ma.MaskedArray(still, ~to_client & ~still & by_server[flow])
    ended_connection = _ends_connection(
        packets, traffic, subflows, row=row, ended=ended_subflow, ended_row=ended_row, closed_row=closed_row
    )
    received = np.flatnonzero(to_client)
    named: list[Attribution] = [Attribution("client", "address")] * len(row)
    for number, name in zip(
        received.tolist(),
        senders(packets, traffic=traffic, rows=row[received], own_server=own_server, addresses=addresses, known=known),
        strict=True,
    ):
        named[number] = name
    aborted_row = _aborted(packets, traffic, subflows)
    found = _Found(
        packets=packets,
        traffic=traffic,
        subflows=subflows,
        row=row,
        flow=flow,
        to_client=to_client,
        ended_row=ended_row,
        closed_row=closed_row,
        aborted_row=aborted_row,
        end_ns=end_ns,
    )
    churned = _churn_in_life(packets, traffic, found, known)
    cause = _causes(found, churned)
    churn = _churn(
        found,
        cause=cause,
        churned=churned,
        own_server=own_server,
        pool=Pool(list(addresses.unique), known.events, known.director_count),
        known=known,
    )
    return Resets(
        row=row, flow=flow, to_client=to_client, acceptability=acceptability, sender=named,
        receiver_open=receiver_open, ended_subflow=ended_subflow, ended_connection=ended_connection, cause=cause,
        churn=churn, ended_row=ended_row, closed_row=closed_row, aborted_row=aborted_row,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Found:
    packets: Packets
    traffic: Traffic
    subflows: Subflows
    row: Rows
    flow: Rows
    to_client: Bools
    ended_row: Rows
    closed_row: Rows
    aborted_row: Rows
    end_ns: int | None


def _aborted(packets: Packets, traffic: Traffic, subflows: Subflows) -> Rows:
    """Per flow the row of the first MP_FASTCLOSE in its connection (RFC 8684 section 3.5), or `NEVER`."""
    flows, count = traffic.flows, len(traffic.flows)
    every = np.arange(count)
    # A flow without a connection is one of its own; numbers of connections are less than that of flows.
    group = np.where(flows.connection >= 0, flows.connection, count + every)
    rows = packets.mp_fastclose.packet
    rows = rows[subflows.uniflow[rows] >= 0]
    first = first_rows(rows, group[subflows.uniflow[rows] >> 1], 2 * count)[group]
    return np.where(first >= 0, first, NEVER)


def _ends_connection(
    packets: Packets, traffic: Traffic, subflows: Subflows, row: Rows, ended: Bools, ended_row: Rows, closed_row: Rows
) -> Bools:
    """Which RSTs ended the application's connection: it was not closed yet, and had no other subflow left.

    A join that was under way and came about keeps it alive, too: Linux waits for those.
    """
    flows = traffic.flows
    found = ended.copy()
    flow = subflows.uniflow[row] >> 1
    fin = subflows.fin_row[flow, TO_SERVER]
    found &= ~((fin >= 0) & (fin < row)) & ~flows.is_join[flow]
    over = np.minimum(ended_row, closed_row)
    up_row = np.where(flows.is_mptcp & flows.answered, flows.answer, NEVER)
    data_fin = _data_fins(packets, traffic, subflows)
    connection = flows.connection
    number = np.flatnonzero(ended & (connection[flow] >= 0))
    # Every pair of such a RST and a flow of its connection, its own among them.
    order = np.argsort(connection, kind="stable")
    sorted_connection, mine = connection[order], connection[flow[number]]
    begin = np.searchsorted(sorted_connection, mine)
    members = np.searchsorted(sorted_connection, mine, side="right") - begin
    rst = np.repeat(np.arange(len(number)), members)
    member = order[np.arange(len(rst)) - np.repeat(np.cumsum(members) - members, members) + begin[rst]]
    at = row[number][rst]
    left = (up_row[member] < at) & (over[member] > at)
    left |= flows.is_mptcp[member] & (subflows.established_row[member] > at)
    left &= member != flow[number][rst]
    fins = subflows.fin_row[member, TO_SERVER]
    keeps = np.bincount(rst[left | ((fins >= 0) & (fins < at))], minlength=len(number)) > 0
    found[number] = flows.is_mptcp[flow[number]] & ~keeps & (data_fin[mine] >= row[number])
    return found


def _data_fins(packets: Packets, traffic: Traffic, subflows: Subflows) -> Rows:
    """Per MPTCP connection the row of the client's first DATA_FIN, or `NEVER`."""
    rows = packets.dss.packet[packets.dss.is_fin]
    rows = rows[(subflows.uniflow[rows] >= 0) & (subflows.uniflow[rows] % 2 == TO_SERVER)]
    first = first_rows(rows, traffic.flows.connection[subflows.uniflow[rows] >> 1], traffic.mptcp_connections)
    return np.where(first >= 0, first, NEVER)


def _before_answer(flows: Flows, subflows: Subflows, flow: Rows, row: Rows) -> Bools:
    """Whether each row comes before the SYN+ACK of its flow, which may have been where nobody captured it."""
    none = (flows.answer[flow] < 0) & ~subflows.acknowledged[flow]
    before: Bools = flows.has_syn[flow] & (none | (row < flows.answer[flow]))
    return before


def _causes(found: _Found, churned: NDArray[np.int64]) -> list[str]:
    packets, flows, row, flow = found.packets, found.traffic.flows, found.row, found.flow
    has_ack = (packets.flags[row] & ACK) != 0
    unanswered = _before_answer(flows, found.subflows, flow, row)
    to_opener = found.to_client == flows.by_client[flow]
    late = np.zeros(len(row), np.bool_) if found.end_ns is None else packets.time_ns[row] > found.end_ns
    server_fin = found.subflows.fin_row[flow, TO_CLIENT]
    server_closed = (server_fin >= 0) & (server_fin < row)
    after_close = row > found.closed_row[flow]
    on_service = flows.kind[flow] == SERVICE
    stray = found.to_client & ~has_ack & on_service & ((churned >= 0) | ~server_closed) & ~_owner_reset(found, churned)
    # The peer of who aborts answers with RSTs, and so does who aborts on further subflows; what comes once a subflow
    # has ended says no more than that there is no socket.
    aborted = (row >= found.aborted_row[flow]) & (row <= found.ended_row[flow]) & ~after_close
    is_mptcp = flows.connection[flow] >= 0
    has_others = np.zeros(len(row), np.bool_)
    has_others[is_mptcp] = found.traffic.joins[flows.connection[flow[is_mptcp]]] > 0
    choices = [
        (aborted | ((packets.options[row] & Option.MP_FASTCLOSE) != 0), "fastclose"),
        (unanswered & to_opener & flows.is_join[flow], "join-refused"),
        (unanswered & to_opener, "refused"),
        (~found.to_client & late, "workload-end"),
        (stray, "no-socket"),
        (after_close, "after-close"),
        (~has_ack, "closed-socket"),
        (found.to_client & has_others & ~flows.is_join[flow], "initial-closed"),
        (has_others, "subflow-closed"),
        (has_ack, "unread-data"),
    ]
    chosen = np.select([which for which, _ in choices], [name for _, name in choices], "unknown")
    return [str(name) for name in chosen]


def _owner_reset(found: _Found, churned: NDArray[np.int64]) -> Bools:
    """Which RSTs came after the flow's own server had reset it, with no change of the pool between.

    Only the server that has the socket knows what to acknowledge. After that it has none itself, and answers data that
    was under way with RSTs without ACK.
    """
    owned = np.flatnonzero(found.to_client & ((found.packets.flags[found.row] & ACK) != 0))
    first = first_rows(owned, found.flow[owned], len(found.traffic.flows))[found.flow]
    after: Bools = (first >= 0) & (np.arange(len(found.row)) > first) & (churned[first] == churned)
    return after


def _churn_in_life(packets: Packets, traffic: Traffic, found: _Found, known: ServerEvidence) -> NDArray[np.int64]:
    """For each RST the number of the last change of the pool between its flow's first packet and itself, or -1."""
    times = np.array([known.start_ns + round(each.t_s * _NS) for each in changes(known.events)], np.int64)
    last = np.searchsorted(times, packets.time_ns[found.row], side="right") - 1
    opened = traffic.flows.opened_ns[found.flow]
    inside = (last >= 0) & (times[last] > opened) if len(times) else np.zeros(len(last), np.bool_)
    return np.where(inside, last, -1)


def _churn(
    found: _Found,
    cause: Sequence[str],
    churned: NDArray[np.int64],
    own_server: Sequence[Attribution],
    pool: Pool,
    known: ServerEvidence,
) -> list[Churn | None]:
    """The change behind each stray packet's RST; what the client says to a connection that it ended has the same."""
    events = changes(known.events)
    churn: list[Churn | None] = [None] * len(cause)
    behind: dict[int, Churn | None] = {}
    for number, (name, last) in enumerate(zip(cause, churned.tolist(), strict=True)):
        row, flow = int(found.row[number]), int(found.flow[number])
        if name == "no-socket" and last >= 0:
            t_s = (int(found.packets.time_ns[row]) - known.start_ns) / _NS
            own = own_server[flow].name
            if own is not None and own not in pool.at(t_s):
                gone = [each for each in events[: last + 1] if (each.event, each.server) == (REMOVED, own)]
                churn[number] = Churn(gone[-1], "server") if gone else None
            else:
                churn[number] = Churn(events[last], "timeline")
            if row == found.ended_row[flow]:
                behind[flow] = churn[number]
        elif name == "closed-socket" and row > found.ended_row[flow]:
            churn[number] = behind.get(flow)
    return churn
