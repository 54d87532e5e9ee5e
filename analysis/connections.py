"""TCP flows and MPTCP connections in the packets of a client's interfaces: which path carried which bytes.

A flow is one use of a 4-tuple: it opens with the client's SYN, and a repeated SYN has the same initial
sequence number. An MPTCP connection is an initial subflow whose SYN+ACK carried MP_CAPABLE; a further subflow
belongs to the connection whose server key hashes to the token in its MP_JOIN (RFC 8684 sections 3.1 and 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.mptcp_options import parse_handshake_options, token_of_key
from analysis.pcap import ACK, RST, SYN, Packets
from analysis.point import Addresses

VIA_UNLISTED, VIA_DIRECTOR, PAST_DIRECTOR = 0, 1, 2
"""Where a packet's server-side address lies: none of ours, the service address, a server's unique address."""

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
    `answered` whether a SYN+ACK came, `is_mptcp` whether the first SYN+ACK accepted what the SYN asked for
    (MP_CAPABLE or MP_JOIN), `payload_bytes` what arrived at the client in it (repeats included), `connection`
    the row in `Connections.opened_ns`, or -1 for plain TCP and joins of an unknown token.
    """

    opened_ns: NDArray[np.int64]
    client_address: NDArray[np.uint32]
    client_port: NDArray[np.uint16]
    server_address: NDArray[np.uint32]
    server_port: NDArray[np.uint16]
    via: NDArray[np.uint8]
    is_join: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    is_mptcp: NDArray[np.bool_]
    payload_bytes: NDArray[np.int64]
    connection: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.opened_ns)


@dataclass(frozen=True, eq=False)
class Traffic:
    """What the packets amount to: flows, MPTCP connections, bytes to the client by path.

    One row per MPTCP connection, in order of opening: `connection_flow` (its initial subflow), `token`,
    `connection_bytes` (payload to the client over all its subflows) and `joins` (further subflows with a
    completed handshake). `bytes_*` are payload bytes to the client, repeats included.
    """

    sides: Sides
    flows: Flows
    connection_flow: NDArray[np.int64]
    token: NDArray[np.int64]
    connection_bytes: NDArray[np.int64]
    joins: NDArray[np.int64]
    bytes_via_director: int
    bytes_past_director: int
    bytes_unlisted: int

    @property
    def opened(self) -> int:
        """TCP flows opened to the service address, without the MPTCP joins among them."""
        return int(np.count_nonzero((self.flows.via == VIA_DIRECTOR) & ~self.flows.is_join))

    @property
    def mptcp_connections(self) -> int:
        """Connections whose SYN+ACK carried MP_CAPABLE."""
        return len(self.connection_flow)

    @property
    def joined(self) -> int:
        """MPTCP connections that got at least one further subflow."""
        return int(np.count_nonzero(self.joins > 0))

    @property
    def fallen_back(self) -> int:
        """Initial flows to the service that were answered as plain TCP, without MP_CAPABLE."""
        flows = self.flows
        initial = (flows.via == VIA_DIRECTOR) & ~flows.is_join
        return int(np.count_nonzero(initial & flows.answered & ~flows.is_mptcp))

    @property
    def unmatched_joins(self) -> int:
        """Joins whose token is that of no connection seen before."""
        return int(np.count_nonzero(self.flows.is_join & (self.flows.connection < 0)))

    @property
    def director_bypass_share(self) -> float | None:
        """Share (0 to 1) of the payload bytes to the client that came past the director; None without bytes."""
        total = self.bytes_via_director + self.bytes_past_director
        return self.bytes_past_director / total if total else None

    def never_joined(self, at_least_bytes: int) -> int:
        """MPTCP connections that moved at least so many payload bytes and never got a further subflow."""
        return int(np.count_nonzero((self.joins == 0) & (self.connection_bytes >= at_least_bytes)))


def sort_out(packets: Packets, addresses: Addresses) -> Traffic:
    """Flows, connections and bytes per path of one client's packets (all its interfaces, merged, by time)."""
    sides = take_sides(packets, addresses)
    opening, flow_of_syn_ack, flow_of_data, data_rows = _assign(packets, sides)
    flows, keys = _describe(packets, sides, opening, flow_of_syn_ack)
    known = flow_of_data >= 0
    flow_bytes = np.zeros(len(flows), np.int64)
    np.add.at(flow_bytes, flow_of_data[known], packets.payload_bytes[data_rows[known]].astype(np.int64))

    connection_flow = np.flatnonzero(flows.is_mptcp & ~flows.is_join)
    token = np.array([token_of_key(keys[flow]) for flow in connection_flow.tolist()], np.int64)
    connection = np.full(len(flows), -1, np.int64)
    connection[connection_flow] = np.arange(len(connection_flow))
    joining = np.flatnonzero(flows.is_join)
    asked = np.array([_join_token(packets, row) for row in opening[joining].tolist()], np.int64)
    connection[joining] = _match_tokens(token, connection_flow, asked, joining)

    member = connection >= 0
    connection_bytes = np.zeros(len(connection_flow), np.int64)
    np.add.at(connection_bytes, connection[member], flow_bytes[member])
    joins = np.bincount(connection[member & flows.is_join & flows.is_mptcp], minlength=len(connection_flow))

    by_path = [
        int(packets.payload_bytes[sides.to_client & (sides.via == via)].sum(dtype=np.int64))
        for via in (VIA_UNLISTED, VIA_DIRECTOR, PAST_DIRECTOR)
    ]
    columns = {name: getattr(flows, name) for name in Flows.__dataclass_fields__}
    return Traffic(
        sides=sides,
        flows=Flows(**(columns | {"payload_bytes": flow_bytes, "connection": connection})),
        connection_flow=connection_flow,
        token=token,
        connection_bytes=connection_bytes,
        joins=joins.astype(np.int64),
        bytes_unlisted=by_path[VIA_UNLISTED],
        bytes_via_director=by_path[VIA_DIRECTOR],
        bytes_past_director=by_path[PAST_DIRECTOR],
    )


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


def _assign(
    packets: Packets, sides: Sides
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the opening SYNs in order of time; row of each flow's first SYN+ACK (-1: none); flow of each data row."""
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
    flow = flow_of(syn_acks)
    first_flow, first_at = np.unique(flow, return_index=True)
    answer = np.full(len(opening), -1, np.int64)
    answer[first_flow[first_flow >= 0]] = syn_acks[first_at[first_flow >= 0]]

    data_rows = np.flatnonzero(sides.to_client & (packets.payload_bytes > 0))
    return opening, answer, flow_of(data_rows), data_rows


def _describe(
    packets: Packets, sides: Sides, opening: NDArray[np.int64], answer: NDArray[np.int64]
) -> tuple[Flows, dict[int, bytes]]:
    """The flows without their bytes and connections, and the server's key of each initial MPTCP subflow."""
    is_join = np.zeros(len(opening), np.bool_)
    is_mptcp = np.zeros(len(opening), np.bool_)
    keys: dict[int, bytes] = {}
    for flow, (syn, syn_ack) in enumerate(zip(opening.tolist(), answer.tolist(), strict=True)):
        is_join[flow] = _join_token(packets, syn) >= 0
        if syn_ack < 0:
            continue
        accepted = parse_handshake_options(packets.syn_options[syn_ack])
        if is_join[flow]:
            is_mptcp[flow] = accepted.mp_join is not None
        elif accepted.mp_capable is not None and accepted.mp_capable.sender_key is not None:
            is_mptcp[flow] = True
            keys[flow] = accepted.mp_capable.sender_key
    unknown = np.full(len(opening), -1, np.int64)
    flows = Flows(
        opened_ns=packets.time_ns[opening],
        client_address=packets.src[opening],
        client_port=packets.sport[opening],
        server_address=packets.dst[opening],
        server_port=packets.dport[opening],
        via=sides.via[opening],
        is_join=is_join,
        answered=answer >= 0,
        is_mptcp=is_mptcp,
        payload_bytes=unknown,
        connection=unknown,
    )
    return flows, keys


def _join_token(packets: Packets, row: int) -> int:
    join = parse_handshake_options(packets.syn_options[row]).mp_join
    return -1 if join is None or join.token is None else join.token


def _match_tokens(
    token: NDArray[np.int64], flow: NDArray[np.int64], asked: NDArray[np.int64], joining: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each join the last connection before it that has its token, or -1.

    Tokens are unique among a host's open connections only, so over many thousand connections one may come again.
    """
    if not len(token):
        return np.full(len(asked), -1, np.int64)
    order = np.lexsort((flow, token))
    stride = int(max(flow.max(), joining.max(initial=0))) + 1
    last = np.searchsorted(token[order] * stride + flow[order], asked * stride + joining, side="right") - 1
    return np.where((last >= 0) & (token[order][last] == asked), order[last], -1)


def resets(packets: Packets, sides: Sides) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times (ns) of all RSTs at the client's interfaces, and of those among them that the client received."""
    is_reset = (packets.flags & RST) != 0
    return (
        packets.time_ns[is_reset & (sides.to_client | sides.from_client)],
        packets.time_ns[is_reset & sides.to_client],
    )
