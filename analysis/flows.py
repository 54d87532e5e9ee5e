"""TCP flows in the packets of a client's interfaces: who opened them, which way they went, what came in them.

A flow is one use of a 4-tuple: it opens with the client's SYN, and a repeated SYN has the same initial
sequence number. What its handshake says about MPTCP is kept here; which connection it belongs to is
`analysis.connections`' business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.mptcp_options import token_of_key
from analysis.pcap import ACK, RST, SYN, Packets
from analysis.point import Addresses

VIA_UNLISTED, VIA_DIRECTOR, PAST_DIRECTOR = 0, 1, 2
"""Where a packet's server-side address lies: none of ours, the service address, a server's unique address."""

# Lengths of the options tell their form (RFC 8684 sections 3.1 and 3.2).
_CAPABLE_WITH_KEY_BYTES, _JOIN_SYN_BYTES, _JOIN_SYN_ACK_BYTES = 12, 12, 16
_SERVER_INDEX_BITS = 8
_UNLISTED = (1 << _SERVER_INDEX_BITS) - 1


@dataclass(frozen=True, eq=False)
class Sides:
    """Direction and path of each packet (columns as long as the packets').

    `to_client` and `from_client` are both False for packets that are not the client's; `via` is one of
    `VIA_UNLISTED`, `VIA_DIRECTOR`, `PAST_DIRECTOR`; `key` numbers the 4-tuple.
    """

    to_client: NDArray[np.bool_]
    from_client: NDArray[np.bool_]
    via: NDArray[np.uint8]
    key: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Flows:
    """One row per TCP flow that the client opened, in order of opening.

    `opened_ns` is the time of the first SYN, `via` the path, `is_join` whether that SYN carried MP_JOIN,
    `answered` whether a SYN+ACK came and `answered_ns` when the first one did, `is_mptcp` whether it accepted
    what the SYN asked for (MP_CAPABLE or MP_JOIN), `payload_bytes` what arrived at the client in it (of an
    upload: what the client sent; repeats included), `first_payload_ns` when the first of it did, `reset` whether
    the client received a RST, `token` the MPTCP token (of an accepted initial subflow that of the server's key, of
    a join the one in its SYN), `connection` the row in `Traffic.connection_flow`, or -1 for plain TCP and joins of
    an unknown token. A time or token that there is none of is -1.
    """

    opened_ns: NDArray[np.int64]
    answered_ns: NDArray[np.int64]
    first_payload_ns: NDArray[np.int64]
    client_address: NDArray[np.uint32]
    client_port: NDArray[np.uint16]
    server_address: NDArray[np.uint32]
    server_port: NDArray[np.uint16]
    via: NDArray[np.uint8]
    is_join: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    is_mptcp: NDArray[np.bool_]
    reset: NDArray[np.bool_]
    payload_bytes: NDArray[np.int64]
    token: NDArray[np.int64]
    connection: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.opened_ns)


def take_sides(packets: Packets, addresses: Addresses) -> Sides:
    """Direction, path and 4-tuple of each packet."""
    to_client = np.isin(packets.dst, np.array(addresses.client, np.uint32))
    from_client = np.isin(packets.src, np.array(addresses.client, np.uint32)) & ~to_client
    server = np.where(to_client, packets.src, packets.dst)
    client = np.where(to_client, packets.dst, packets.src)
    server_port = np.where(to_client, packets.sport, packets.dport).astype(np.int64)
    client_port = np.where(to_client, packets.dport, packets.sport).astype(np.int64)

    via = np.full(len(packets), VIA_UNLISTED, np.uint8)
    server_index = np.full(len(packets), _UNLISTED, np.int64)
    for index, address in enumerate((*addresses.unique.values(), addresses.service)):
        hit = server == address
        server_index[hit] = index
        via[hit] = VIA_DIRECTOR if address == addresses.service else PAST_DIRECTOR
    client_index = np.zeros(len(packets), np.int64)
    for index, address in enumerate(addresses.client):
        client_index[client == address] = index
    key = (((client_index << _SERVER_INDEX_BITS | server_index) << 16 | client_port) << 16) | server_port
    return Sides(to_client, from_client, via, key)


def find_flows(packets: Packets, sides: Sides, measured: NDArray[np.bool_]) -> Flows:
    """The client's flows, with the payload of the `measured` packets; their `connection` is not known yet (-1)."""
    found = _assign(packets, sides, measured)
    opening, answer = found.opening, found.answer
    mp_join, mp_capable = packets.mp_join, packets.mp_capable
    is_join = mp_join.first("length", opening) == _JOIN_SYN_BYTES
    accepts_join = mp_join.first("length", answer) == _JOIN_SYN_ACK_BYTES
    has_key = mp_capable.first("length", answer) >= _CAPABLE_WITH_KEY_BYTES
    is_mptcp = np.where(is_join, accepts_join, has_key)
    token = np.where(is_join, mp_join.first("token", opening).astype(np.int64), -1)
    server_key = mp_capable.first("sender_key", answer)
    for flow in np.flatnonzero(is_mptcp & ~is_join).tolist():
        token[flow] = token_of_key(int(server_key[flow]).to_bytes(8, "big"))
    known = found.flow_of_data >= 0
    flow_bytes = np.zeros(len(opening), np.int64)
    np.add.at(flow_bytes, found.flow_of_data[known], packets.payload_bytes[found.data_rows[known]].astype(np.int64))
    reset = np.zeros(len(opening), np.bool_)
    reset[found.flow_of_reset[found.flow_of_reset >= 0]] = True
    return Flows(
        opened_ns=packets.time_ns[opening],
        answered_ns=_times(packets, answer),
        first_payload_ns=_times(packets, _first_rows(found.data_rows, found.flow_of_data, len(opening))),
        client_address=packets.src[opening],
        client_port=packets.sport[opening],
        server_address=packets.dst[opening],
        server_port=packets.dport[opening],
        via=sides.via[opening],
        is_join=is_join,
        answered=answer >= 0,
        is_mptcp=is_mptcp,
        reset=reset,
        payload_bytes=flow_bytes,
        token=token,
        connection=np.full(len(opening), -1, np.int64),
    )


@dataclass(frozen=True, eq=False)
class _Assigned:
    """Rows of packets and the flows that they belong to (-1: none).

    `opening` has the row of each flow's SYN, in order of time, `answer` that of its first SYN+ACK (-1: none);
    `data_rows` are those of the measured payload, and `flow_of_data` is as long. `flow_of_reset`
    has one element per RST that it received.
    """

    opening: NDArray[np.int64]
    answer: NDArray[np.int64]
    data_rows: NDArray[np.int64]
    flow_of_data: NDArray[np.int64]
    flow_of_reset: NDArray[np.int64]


def _assign(packets: Packets, sides: Sides, measured: NDArray[np.bool_]) -> _Assigned:
    handshake = packets.flags & (SYN | ACK)
    syns = np.flatnonzero(sides.from_client & (handshake == SYN) & (sides.via != VIA_UNLISTED))
    by_key = syns[np.argsort(sides.key[syns], kind="stable")]
    key, isn = sides.key[by_key], packets.seq[by_key]
    fresh = np.ones(len(by_key), np.bool_)
    fresh[1:] = (key[1:] != key[:-1]) | (isn[1:] != isn[:-1])
    by_key, key = by_key[fresh], key[fresh]
    opening = np.sort(by_key)
    number = np.searchsorted(opening, by_key)

    # A packet belongs to the last flow of its 4-tuple that was opened before it: order by (4-tuple, row).
    unique_key, key_index = np.unique(key, return_inverse=True)
    stride = len(packets) + 1
    opened_at = key_index.astype(np.int64) * stride + by_key

    def flow_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(by_key):
            return np.full(len(rows), -1, np.int64)
        index = np.minimum(np.searchsorted(unique_key, sides.key[rows]), len(unique_key) - 1)
        last = np.searchsorted(opened_at, index * stride + rows, side="right") - 1
        belongs = (unique_key[index] == sides.key[rows]) & (last >= 0)
        belongs &= key_index[last] == index
        return np.where(belongs, number[last], -1)

    syn_acks = np.flatnonzero(sides.to_client & (handshake == SYN | ACK))
    data_rows = np.flatnonzero(measured & (packets.payload_bytes > 0))
    resets = np.flatnonzero(sides.to_client & ((packets.flags & RST) != 0))
    answer = _first_rows(syn_acks, flow_of(syn_acks), len(opening))
    return _Assigned(opening, answer, data_rows, flow_of(data_rows), flow_of(resets))


def _first_rows(rows: NDArray[np.int64], flow: NDArray[np.int64], flows: int) -> NDArray[np.int64]:
    """The first of the ascending `rows` in each flow, -1 where there is none."""
    first = np.full(flows, -1, np.int64)
    known = flow >= 0
    first[flow[known][::-1]] = rows[known][::-1]  # of several assignments to one element the last one stays
    return first


def _times(packets: Packets, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The time of each row, -1 for row -1."""
    times = np.full(len(rows), -1, np.int64)
    times[rows >= 0] = packets.time_ns[rows[rows >= 0]]
    return times
