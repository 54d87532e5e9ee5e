"""Who is who in captures that come without a list of addresses: guessed from MPTCP, or as the user says.

Enters: packets. Leaves: `Addresses`. The service is where the SYNs with MP_CAPABLE went (without any: all SYNs that are
no joins; without any such SYN: where SYN+ACKs came from; at last, where joins went), the clients who sent them; a
server's unique addresses are those that it announced (ADD_ADDR), those that joins went to, and those from which servers
joined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.flows.addresses import Addresses
from analysis.flows.mptcp_options import tokens_of_keys
from analysis.flows.simultaneous_open import crossing_syns
from analysis.pcap import ACK, SYN, Packets
from analysis.pcap.columns import U32, Bools, Rows
from testbed.base.errors import AnalysisError
from testbed.base.families import in_url

_JOIN_SYN_BYTES, _CAPABLE_WITH_KEY_BYTES, _CAPABLE_BOTH_KEYS_BYTES = 12, 12, 20


def guess_addresses(
    packets: Packets, *, service: tuple[int, int] | None = None, unique: Sequence[int] = ()
) -> Addresses:
    """The addresses; `service` (address, port) and `unique` are known ones, as numbers of `Packets`.

    Raises AnalysisError when no SYN says who the client is and no service is given, nobody talks to the one given, or a
    unique address that is given is a client's or the service's.
    """
    syns = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN)
    syns = np.setdiff1d(syns, crossing_syns(packets)[0])
    is_join = packets.mp_join.first("length", syns) == _JOIN_SYN_BYTES
    initial, joins = syns[~is_join], syns[is_join]
    if not len(initial) and service is None:
        return _by_answers(packets, joins, unique)
    capable = initial[packets.mp_capable.first("length", initial) > 0]
    if service is not None:
        services, port = [service[0]], service[1]
        to_service = (packets.dst == service[0]) & (packets.dport == port)
        clients = _distinct(packets.src[to_service])
        if not clients:
            where = f"{in_url(_name(packets, service[0]))}:{port}"
            raise AnalysisError(f"no packet to the service {where} in the captures")
    else:
        opening = capable if len(capable) else initial
        services, port = _busiest_first(packets.dst[opening]), int(packets.dport[opening[0]])
        clients = _distinct(packets.src[opening])
    by_server = _by_servers(packets, joins, clients)
    at_server = [*_distinct(packets.dst[joins[~by_server]]), *_distinct(packets.src[joins[by_server]])]
    at_client = [*_distinct(packets.src[joins[~by_server]]), *_distinct(packets.dst[joins[by_server]])]
    if unique:
        found = _of_servers(packets, unique, [*clients, *at_client], services)
    else:
        table = packets.add_addr
        announced = table.address[~table.echo & np.isin(packets.src[table.packet], [*services, *at_server])]
        found = [*_distinct(announced), *at_server]
    others = [each for each in dict.fromkeys(found) if each not in services and each not in clients]
    # A client has further addresses, from which its joins come.
    clients += [each for each in dict.fromkeys(at_client) if each not in (*clients, *services, *others)]
    return _addresses(packets, clients=clients, services=services, port=port, others=others)


def _by_answers(packets: Packets, joins: Rows, unique: Sequence[int]) -> Addresses:
    """The addresses by SYN+ACKs and `joins` alone: what a capture of one direction, of a client's further interface,
    at a server's own address, or one that began too late, still has."""
    answers = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN | ACK)
    initial = answers[packets.mp_join.first("length", answers) == 0]
    if not len(initial) and len(joins):
        services, clients = _busiest_first(packets.dst[joins]), _distinct(packets.src[joins])
        others = _of_servers(packets, unique, clients, services)
        return _addresses(packets, clients=clients, services=services, port=int(packets.dport[joins[0]]), others=others)
    initial = initial if len(initial) else answers
    if not len(initial):
        raise AnalysisError("no SYN in the captures: who is the server?", hint="say it with --service ADDR:PORT")
    services, clients = _busiest_first(packets.src[initial]), _distinct(packets.dst[initial])
    found = _of_servers(packets, unique, clients, services) or _distinct(packets.src[answers])
    others = [each for each in found if each not in services and each not in clients]
    return _addresses(packets, clients=clients, services=services, port=int(packets.sport[initial[0]]), others=others)


def _of_servers(packets: Packets, unique: Sequence[int], clients: Sequence[int], services: Sequence[int]) -> list[int]:
    """The given own addresses of servers; raises AnalysisError for one that is somebody else's."""
    for each in unique:
        if each in clients or each in services:
            whose = "a client's" if each in clients else "the service's"
            what = f"{_name(packets, each)} is {whose} in the captures, and no server's own"
            raise AnalysisError(what, hint="leave it out, or say which the service is with --service")
    return list(dict.fromkeys(unique))


def _by_servers(packets: Packets, joins: Rows, clients: Sequence[int]) -> Bools:
    """Which SYNs of joins servers sent: their token is that of a client's key, or they go to a client's address."""
    table = packets.mp_capable
    handshake = packets.flags[table.packet] & (SYN | ACK)
    both, is_key = table.length >= _CAPABLE_BOTH_KEYS_BYTES, table.length == _CAPABLE_WITH_KEY_BYTES

    def tokens(keys: str, rows: Bools) -> list[int]:
        return tokens_of_keys(getattr(table, keys)[rows].tolist(), table.version[rows].tolist())

    # In version 0 the SYN has the client's key.
    of_clients = tokens("sender_key", both) + tokens("sender_key", is_key & (handshake == SYN))
    of_servers = tokens("receiver_key", both) + tokens("sender_key", is_key & (handshake == SYN | ACK))
    asked = packets.mp_join.first("token", joins).astype(np.int64)
    to_server, to_client = np.isin(asked, of_servers), np.isin(asked, of_clients)
    by_address = np.isin(packets.dst[joins], clients) & ~np.isin(packets.src[joins], clients)
    found: Bools = np.where(to_server == to_client, by_address, to_client)
    return found


def _addresses(
    packets: Packets, clients: Sequence[int], services: Sequence[int], port: int, others: Sequence[int]
) -> Addresses:
    return Addresses(
        client=tuple(clients),
        service=services[0],
        service_port=port,
        unique={_name(packets, each): each for each in others},
        more_services=tuple(services[1:]),
    )


def _name(packets: Packets, number: int) -> str:
    return packets.address(number, 6 if number < len(packets.ipv6) else 4)


def _distinct(addresses: U32) -> list[int]:
    return [int(each) for each in np.unique(addresses)]


def _busiest_first(addresses: U32) -> list[int]:
    distinct, count = np.unique(addresses, return_counts=True)
    return [int(each) for each in distinct[np.argsort(-count, kind="stable")]]
