"""MPTCP connections in the packets of a client's interfaces: which path carried which bytes.

An MPTCP connection is an initial subflow whose SYN+ACK carried MP_CAPABLE; a further subflow
belongs to the connection whose server key hashes to the token in its MP_JOIN (RFC 8684 sections 3.1 and 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.flows.addresses import Addresses
from analysis.flows.paths import PAST_DIRECTOR, SERVICE, UNIQUE, UNKNOWN_PATH, UNLISTED, VIA_DIRECTOR, PathTable
from analysis.flows.tcp_flows import Flows, Sides, find_flows
from analysis.pcap import RST, Packets
from analysis.pcap.columns import Bools


@dataclass(frozen=True, eq=False)
class Traffic:
    """What the packets amount to: flows, MPTCP connections, payload by path.

    One row per MPTCP connection, in order of opening: `connection_flow` (its initial subflow), `token`,
    `connection_bytes` (payload over all its subflows) and `joins` (further subflows with a completed handshake).
    `bytes_*` and `connection_bytes` are payload to the client, or of an upload what the client sent, repeats included:
    by their path, and by their server's address, which may be none of the point's. `packets_off_path`, and
    `bytes_off_path` with them, are packets in both directions with an address of the point's on no path of its.
    """

    sides: Sides
    flows: Flows
    connection_flow: NDArray[np.int64]
    token: NDArray[np.int64]
    connection_bytes: NDArray[np.int64]
    joins: NDArray[np.int64]
    bytes_via_director: int
    bytes_past_director: int
    bytes_at_unique: int
    bytes_unlisted: int
    packets_off_path: int
    bytes_off_path: int

    @property
    def opened(self) -> int:
        """TCP flows opened to the service address, without the MPTCP joins among them."""
        return int(np.count_nonzero(self._initial))

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
        return int(np.count_nonzero(self._initial & self.flows.answered & ~self.flows.is_mptcp))

    @property
    def unmatched_joins(self) -> int:
        """Joins whose token is that of no connection seen before."""
        flows = self.flows
        return int(np.count_nonzero(flows.listed & flows.is_join & (flows.connection < 0)))

    @property
    def director_bypass_share(self) -> float | None:
        """Share (0 to 1) of the payload bytes that went past the director; None without bytes."""
        total = self.bytes_via_director + self.bytes_past_director
        return self.bytes_past_director / total if total else None

    @property
    def _initial(self) -> NDArray[np.bool_]:
        initial: NDArray[np.bool_] = self.flows.listed & (self.flows.kind == SERVICE) & ~self.flows.is_join
        return initial

    def never_joined(self, at_least_bytes: int) -> int:
        """MPTCP connections that moved at least so many payload bytes and never got a further subflow."""
        return int(np.count_nonzero((self.joins == 0) & (self.connection_bytes >= at_least_bytes)))


def find_connections(
    packets: Packets,
    addresses: Addresses,
    *,
    upload: bool = False,
    paths: PathTable | None = None,
    seen: Bools | None = None,
) -> Traffic:
    """Flows, connections and bytes per path of one client's packets (all its interfaces, merged, by time).

    Without `paths` the server's address alone tells them; `seen` as of `find_flows`.
    """
    flows, sides = find_flows(packets, addresses, upload=upload, paths=paths, seen=seen)
    measured = sides.from_client if upload else sides.to_client
    connection_flow = np.flatnonzero(flows.listed & flows.is_mptcp & ~flows.is_join)
    token = flows.token[connection_flow]
    connection = np.full(len(flows), -1, np.int64)
    connection[connection_flow] = np.arange(len(connection_flow))
    joining = np.flatnonzero(flows.is_join & flows.by_client)
    connection[joining] = _match_tokens(token, connection_flow, flows.token[joining], joining)
    joining = np.flatnonzero(flows.is_join & ~flows.by_client)
    client_token = flows.client_token[connection_flow]
    connection[joining] = _match_tokens(client_token, connection_flow, flows.token[joining], joining)

    member = connection >= 0
    connection_bytes = np.zeros(len(connection_flow), np.int64)
    np.add.at(connection_bytes, connection[member], flows.payload_bytes[member])
    joins = np.bincount(connection[member & flows.is_join & flows.is_mptcp], minlength=len(connection_flow))

    by_path = np.bincount(sides.path[measured], packets.payload_bytes[measured], minlength=3).astype(np.int64)
    by_kind = np.bincount(flows.kind, flows.payload_bytes, minlength=3).astype(np.int64)
    off_path = np.flatnonzero((sides.path == UNKNOWN_PATH) & (sides.to_client | sides.from_client))
    off_path = off_path[flows.kind[sides.flow[off_path]] != UNLISTED]
    return Traffic(
        sides=sides,
        flows=replace(flows, connection=connection),
        connection_flow=connection_flow,
        token=token,
        connection_bytes=connection_bytes,
        joins=joins.astype(np.int64),
        bytes_via_director=int(by_path[VIA_DIRECTOR]),
        bytes_past_director=int(by_path[PAST_DIRECTOR]),
        bytes_at_unique=int(by_kind[UNIQUE]),
        bytes_unlisted=int(by_kind[UNLISTED]),
        packets_off_path=len(off_path),
        bytes_off_path=int(packets.payload_bytes[off_path].sum(dtype=np.int64)),
    )


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
