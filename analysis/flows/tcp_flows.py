"""TCP flows in the packets of a client's interfaces: who opened them, which way they went, what came in them.

A flow is one use of a 4-tuple (`analysis.flows.conversations`). What its handshake says about MPTCP is kept here; which
connection it belongs to is `analysis.flows.connections`' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.flows.addresses import Addresses
from analysis.flows.conversations import Conversations, find_conversations
from analysis.flows.grouping import first_rows
from analysis.flows.mptcp_options import tokens_of_keys
from analysis.flows.paths import PAST_DIRECTOR, SERVICE, UNIQUE, UNLISTED, PathTable, path_table, paths_of_packets
from analysis.flows.sightings import paths_as_seen
from analysis.pcap import ACK, RST, SYN, Option, Packets
from analysis.pcap.columns import Bools, Rows
from analysis.pcap.tables import MptcpTable

# Lengths of the options tell their form (RFC 8684 sections 3.1 and 3.2).
_CAPABLE_WITH_KEY_BYTES, _CAPABLE_BOTH_KEYS_BYTES, _JOIN_SYN_BYTES, _JOIN_SYN_ACK_BYTES = 12, 20, 12, 16
_JOIN_ACK_BYTES = 24


@dataclass(frozen=True, eq=False)
class Sides:
    """Direction and path of each packet (columns as long as the packets').

    `to_client` and `from_client` are both False for packets that are not the client's, and for the copies of a packet
    that several places captured; `path` is one of `UNKNOWN_PATH`, `VIA_DIRECTOR`, `PAST_DIRECTOR`, and `planned` what
    it would be by the point's plan alone, where captures at directors may say otherwise; `flow` numbers the flows.
    """

    to_client: NDArray[np.bool_]
    from_client: NDArray[np.bool_]
    path: NDArray[np.uint8]
    planned: NDArray[np.uint8]
    flow: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Flows:
    """One row per TCP flow, in order of opening.

    `opening` is the row of its first SYN (of its first packet where `has_syn` is False), `opened_ns` the time of that,
    `by_client` whether the client opened it, `listed` whether it is a flow that the client opened to an address of
    ours, whose SYN or SYN+ACK was captured: only those count as connections. `kind` is what its server's address is
    (`UNLISTED`, `SERVICE`, `UNIQUE`: no path, which each packet has of its own), `is_join` whether the SYN carried
    MP_JOIN, `answer` the row of the first SYN+ACK, `answered` whether there was one and `answered_ns` when, `is_mptcp`
    whether it accepted what the SYN asked for (MP_CAPABLE or MP_JOIN; the opener's third packet says so, too),
    `payload_bytes` what arrived at the client in it (of an upload: what the client sent; repeats included),
    `first_past_ns` when the first of it came past the director, `reset` whether the client received a RST, `token` the
    MPTCP token (of an accepted initial subflow that of the server's key, of a join the one in its SYN), `client_token`
    that of the client's key, `places` at how many places it was captured, `uncounted` the payload bytes that another
    place has and no packet that counts, `connection` the row in `Traffic.connection_flow`, or -1 for plain TCP and
    joins of an unknown token. A row, time or token that there is none of is -1.
    """

    opening: NDArray[np.int64]
    answer: NDArray[np.int64]
    opened_ns: NDArray[np.int64]
    answered_ns: NDArray[np.int64]
    first_past_ns: NDArray[np.int64]
    client_address: NDArray[np.uint32]
    client_port: NDArray[np.uint16]
    server_address: NDArray[np.uint32]
    server_port: NDArray[np.uint16]
    kind: NDArray[np.uint8]
    has_syn: NDArray[np.bool_]
    by_client: NDArray[np.bool_]
    listed: NDArray[np.bool_]
    is_join: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    is_mptcp: NDArray[np.bool_]
    reset: NDArray[np.bool_]
    payload_bytes: NDArray[np.int64]
    token: NDArray[np.int64]
    client_token: NDArray[np.int64]
    places: NDArray[np.int64]
    uncounted: NDArray[np.int64]
    connection: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.opened_ns)


def find_flows(
    packets: Packets,
    addresses: Addresses,
    *,
    upload: bool = False,
    paths: PathTable | None = None,
    seen: Bools | None = None,
) -> tuple[Flows, Sides]:
    """The flows, and direction and path of each packet; the flows' `connection` is not known yet (-1).

    Without `paths` the server's address alone tells them. `seen`: which packets were captured at a director, too (None:
    nothing was captured there).
    """
    found = find_conversations(packets, addresses.servers)
    count = len(found)
    opening = found.opening
    handshake = packets.flags & (SYN | ACK)
    answers = np.flatnonzero((handshake == SYN | ACK) & (found.flow >= 0) & ~found.from_opener)
    answer = first_rows(answers, found.flow[answers], count)
    mp_join, mp_capable = packets.mp_join, packets.mp_capable
    asks_join = found.has_syn & (mp_join.first("length", opening) == _JOIN_SYN_BYTES)
    accepts_join = mp_join.first("length", answer) == _JOIN_SYN_ACK_BYTES
    has_key = mp_capable.first("length", answer) >= _CAPABLE_WITH_KEY_BYTES
    # Where one direction alone was captured, a flow begins with the SYN+ACK, or has the opener's third packet only:
    # what that carries the SYN+ACK has accepted.
    is_join = asks_join | (~found.has_syn & (answer == opening) & accepts_join)
    third_join = _first_of(packets, found, mp_join, mp_join.length == _JOIN_ACK_BYTES)
    third = _first_of(packets, found, mp_capable, mp_capable.length >= _CAPABLE_BOTH_KEYS_BYTES)
    by_third = found.has_syn & (np.where(is_join, third_join, third) >= 0)
    is_mptcp = np.where(answer >= 0, np.where(is_join, accepts_join, has_key), by_third)
    token = np.where(asks_join, mp_join.first("token", opening).astype(np.int64), -1)
    initial = is_mptcp & ~is_join
    version = mp_capable.first("version", np.where(answer >= 0, answer, third))
    others_key = np.where(answer >= 0, mp_capable.first("sender_key", answer), mp_capable.first("receiver_key", third))
    token[initial] = _tokens(others_key[initial], version[initial])
    client_token = np.full(count, -1, np.int64)
    # In version 0 the SYN has the opener's key, too.
    in_syn = found.has_syn & (version == 0) & (mp_capable.first("length", opening) == _CAPABLE_WITH_KEY_BYTES)
    says_key = np.where((third < 0) & in_syn, opening, third)
    keyed = initial & (says_key >= 0)
    client_token[keyed] = _tokens(mp_capable.first("sender_key", says_key)[keyed], version[keyed])
    # A join says by its token whose connection it asks for: the opener's of an initial subflow, or the other end's.
    known = token[initial & (token >= 0)], client_token[client_token >= 0]
    to_opener = is_join & np.isin(token, known[1]) & ~np.isin(token, known[0])
    ends = _ends(found, addresses, to_opener)
    sides = _sides(packets, found=found, ends=ends, paths=path_table() if paths is None else paths, seen=seen)

    data = np.flatnonzero((sides.from_client if upload else sides.to_client) & (packets.payload_bytes > 0))
    payload = np.bincount(found.flow[data], packets.payload_bytes[data], minlength=count).astype(np.int64)
    past = data[sides.path[data] == PAST_DIRECTOR]
    reset = np.zeros(count, np.bool_)
    reset[found.flow[sides.to_client & ((packets.flags & RST) != 0)]] = True
    flows = Flows(
        opening=opening,
        answer=answer,
        opened_ns=packets.time_ns[opening],
        answered_ns=times_of(packets, answer),
        first_past_ns=times_of(packets, first_rows(past, found.flow[past], count)),
        client_address=ends.client_address,
        client_port=np.where(ends.by_client, found.opener_port, found.other_port),
        server_address=ends.server_address,
        server_port=np.where(ends.by_client, found.other_port, found.opener_port),
        kind=ends.kind,
        has_syn=found.has_syn,
        by_client=ends.by_client,
        listed=(found.has_syn | (answer == opening)) & ends.by_client & ends.is_ours & (ends.kind != UNLISTED),
        is_join=is_join,
        answered=answer >= 0,
        is_mptcp=is_mptcp,
        reset=reset,
        payload_bytes=payload,
        token=token,
        client_token=client_token,
        places=found.places,
        uncounted=found.uncounted,
        connection=np.full(count, -1, np.int64),
    )
    return flows, sides


def unknown_protocol(packets: Packets, flows: Flows) -> NDArray[np.bool_]:
    """Flows of which nobody can say whether they are MPTCP: the options of their handshake were not captured whole."""
    opening = flows.has_syn & ((packets.options[flows.opening] & Option.CUT) != 0)
    answer = flows.answered & ((packets.options[np.maximum(flows.answer, 0)] & Option.CUT) != 0)
    offered = packets.mp_capable.first("length", flows.opening) > 0
    undecided: NDArray[np.bool_] = ~flows.is_mptcp & ~flows.is_join & np.where(offered, answer, opening)
    return undecided


def times_of(packets: Packets, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The time of each row, -1 for row -1."""
    times = np.full(len(rows), -1, np.int64)
    times[rows >= 0] = packets.time_ns[rows[rows >= 0]]
    return times


@dataclass(frozen=True, eq=False)
class _Ends:
    """Per flow: which end is the client's, whether that is a client of ours, and what the server's address is."""

    by_client: NDArray[np.bool_]
    is_ours: NDArray[np.bool_]
    client_address: NDArray[np.uint32]
    server_address: NDArray[np.uint32]
    kind: NDArray[np.uint8]


def _ends(found: Conversations, addresses: Addresses, to_opener: NDArray[np.bool_]) -> _Ends:
    """The ends of each flow; `to_opener` are joins that the other end of a connection opened."""
    clients = np.array(addresses.client, np.uint32)
    servers = np.array(sorted(addresses.servers), np.uint32)
    opener_is_client = np.isin(found.opener_address, clients)
    other_is_client = np.isin(found.other_address, clients)
    # The opener is the client, unless its address is a server's alone and the other end's a client's alone.
    backwards = (
        other_is_client
        & ~opener_is_client
        & (np.isin(found.opener_address, servers) | ~np.isin(found.other_address, servers))
    )
    by_client = ~(backwards | to_opener)
    client_address = np.where(by_client, found.opener_address, found.other_address)
    server_address = np.where(by_client, found.other_address, found.opener_address)
    kind = np.full(len(found), UNLISTED, np.uint8)
    kind[np.isin(server_address, np.array(list(addresses.unique.values()), np.uint32))] = UNIQUE
    kind[np.isin(server_address, np.array(addresses.services, np.uint32))] = SERVICE
    return _Ends(
        by_client=by_client,
        is_ours=opener_is_client | other_is_client,
        client_address=client_address,
        server_address=server_address,
        kind=kind,
    )


def _sides(packets: Packets, found: Conversations, ends: _Ends, paths: PathTable, seen: Bools | None) -> Sides:
    flow = found.flow
    ours = (flow >= 0) & ends.is_ours[flow]
    from_client = found.from_opener == ends.by_client[flow]
    planned = paths_of_packets(paths, kind=ends.kind, flow=flow, from_client=from_client, interface=packets.interface)
    to_client = ours & ~from_client
    path = planned if seen is None else paths_as_seen(planned, seen, to_client)
    return Sides(to_client, ours & from_client, path, planned, flow)


def _first_of(packets: Packets, found: Conversations, table: MptcpTable, which: NDArray[np.bool_]) -> Rows:
    """For each flow the first packet of its opener, behind the SYN, that has such an option; or -1."""
    rows = table.packet[which]
    rows = rows[(found.flow[rows] >= 0) & found.from_opener[rows] & ((packets.flags[rows] & SYN) == 0)]
    return first_rows(rows, found.flow[rows], len(found))


def _tokens(keys: NDArray[Any], versions: NDArray[Any]) -> NDArray[np.int64]:
    return np.array(tokens_of_keys(keys.tolist(), versions.tolist()), np.int64)
