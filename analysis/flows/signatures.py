"""Signatures of MPTCP: the HMACs of joins and of announced addresses, verified where a connection's keys were captured.

Enters: packets with their flows and connections. Leaves: `Signatures`, one element per option that should have one (RFC
8684 sections 3.2 and 3.4.1; of version 0 those of joins, RFC 6824 section 3.2).
"""

from __future__ import annotations

import hmac
from typing import Literal, NamedTuple

import numpy as np

from analysis.flows.connections import Traffic
from analysis.flows.grouping import first_rows
from analysis.flows.subflows import Subflows
from analysis.pcap import Packets
from analysis.pcap.addresses import packed
from analysis.pcap.columns import Rows

What = Literal["join-syn-ack", "join-ack", "add-addr"]
Verdict = Literal["right", "wrong", "unknown"]

_SYN_BYTES, _SYN_ACK_BYTES, _ACK_BYTES, _BOTH_KEYS_BYTES = 12, 16, 24, 20
_WITH_HMAC = frozenset({16, 18, 28, 30})


class Signature(NamedTuple):
    """A signature in the packet of that row: what signs what, and what became of it; `unknown`: there are no keys."""

    row: int
    what: What
    verdict: Verdict


class _Keys(NamedTuple):
    """What the HMACs of each end are made with: its own key first (RFC 8684 section 3.2)."""

    client: bytes
    server: bytes
    hash_name: Literal["sha256", "sha1"]

    def digest(self, *, by_client: bool, message: bytes) -> bytes:
        return hmac.digest(self.client if by_client else self.server, message, self.hash_name)


def find_signatures(packets: Packets, traffic: Traffic, subflows: Subflows) -> list[Signature]:
    """The signatures of the client's flows, in order of time."""
    keys = _keys(packets, traffic, subflows)
    found = [*_joins(packets, traffic, subflows, keys), *_announcements(packets, traffic, subflows, keys)]
    return sorted(found, key=lambda each: each.row)


def _keys(packets: Packets, traffic: Traffic, subflows: Subflows) -> dict[int, _Keys]:
    """The keys of those connections of which both were captured: the client says them in its third packet."""
    table, uniflow = packets.mp_capable, subflows.uniflow
    rows = table.packet[table.length >= _BOTH_KEYS_BYTES]
    rows = rows[(uniflow[rows] >= 0) & (uniflow[rows] % 2 == 1)]
    third = first_rows(rows, traffic.flows.connection[uniflow[rows] >> 1], traffic.mptcp_connections)
    known = np.flatnonzero(third >= 0)
    columns = (table.first(name, third[known]).tolist() for name in ("sender_key", "receiver_key", "version"))
    return {
        number: _Keys(
            (client << 64 | server).to_bytes(16, "big"),
            (server << 64 | client).to_bytes(16, "big"),
            "sha256" if version else "sha1",
        )
        for number, client, server, version in zip(known.tolist(), *columns, strict=True)
    }


def _joins(packets: Packets, traffic: Traffic, subflows: Subflows, keys: dict[int, _Keys]) -> list[Signature]:
    """Both signatures of each join whose nonces were captured: its opener's, and the other end's."""
    flows, table = traffic.flows, packets.mp_join
    joining = np.flatnonzero(flows.is_join & (subflows.packets.sum(axis=1) > 0))
    opening, answer, third = flows.opening[joining], flows.answer[joining], subflows.joined_row[joining]
    asked = table.first("length", opening) == _SYN_BYTES
    answered = (answer >= 0) & (table.first("length", answer) == _SYN_ACK_BYTES)
    nonces = zip(table.first("nonce", opening).tolist(), table.first("nonce", answer).tolist(), strict=True)
    told = zip(table.first("truncated_hmac", answer).tolist(), table.first("hmac", third).tolist(), strict=True)
    found = []
    opened = zip(flows.by_client[joining].tolist(), flows.connection[joining].tolist(), strict=True)
    rows = zip(answer.tolist(), third.tolist(), strict=True)
    columns = zip(opened, rows, (asked & answered).tolist(), answered.tolist(), nonces, told, strict=True)
    for (by_client, number), (answer_row, row), has_both, has_answer, (first, second), (short, whole) in columns:
        known = keys.get(number) if has_both else None  # there is none of connection -1
        mine, its = first.to_bytes(4, "big"), second.to_bytes(4, "big")
        if has_answer:
            right = None
            if known:
                right = known.digest(by_client=not by_client, message=its + mine)[:8] == short.to_bytes(8, "big")
            found.append(Signature(answer_row, "join-syn-ack", _verdict(right)))
        if row >= 0:
            right = None
            if known:
                right = known.digest(by_client=by_client, message=mine + its)[:20] == bytes(whole)
            found.append(Signature(row, "join-ack", _verdict(right)))
    return found


def _announcements(packets: Packets, traffic: Traffic, subflows: Subflows, keys: dict[int, _Keys]) -> list[Signature]:
    """The signature of each ADD_ADDR that has one: the last 64 bits of the HMAC of id, address and port."""
    table, uniflow = packets.add_addr, subflows.uniflow
    found = []
    chosen = np.flatnonzero(~table.echo & (uniflow[table.packet] >= 0) & np.isin(table.length, list(_WITH_HMAC)))
    rows: Rows = table.packet[chosen]
    connection = traffic.flows.connection[uniflow[rows] >> 1]
    address_ids, *said = (
        getattr(table, name)[chosen].tolist() for name in ("address_id", "signed_address", "ip_version", "port", "hmac")
    )
    columns = zip(rows.tolist(), (uniflow[rows] % 2 == 1).tolist(), connection.tolist(), address_ids, strict=True)
    for (row, by_client, number, address_id), (address, version, port, told) in zip(
        columns, zip(*said, strict=True), strict=True
    ):
        right = None
        if known := keys.get(number):
            message = bytes([address_id]) + packed(address, version, packets.ipv6) + port.to_bytes(2, "big")
            right = known.digest(by_client=by_client, message=message)[-8:] == told.to_bytes(8, "big")
        found.append(Signature(row, "add-addr", _verdict(right)))
    return found


def _verdict(right: bool | None) -> Verdict:
    return "unknown" if right is None else "right" if right else "wrong"
