"""Who is who in captures that come without a list of addresses: guessed from MPTCP, or as the user says.

Enters: packets. Leaves: `Addresses`. The service is where the SYNs with MP_CAPABLE went (without any: all SYNs that are
no joins), the clients who sent them; a server's unique addresses are those that it announced (ADD_ADDR) and those that
joins went to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.errors import AnalysisError
from analysis.pcap import ACK, SYN, Packets
from analysis.pcap.columns import U32, Rows
from analysis.point import Addresses

_JOIN_SYN_BYTES = 12


def guess_addresses(
    packets: Packets, *, service: tuple[int, int] | None = None, unique: Sequence[int] = ()
) -> Addresses:
    """The addresses; `service` (address, port) and `unique` are known ones, as numbers of `Packets`.

    Raises AnalysisError when no SYN says who the client is and no service is given, or nobody talks to the one given.
    """
    syns = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN)
    is_join = packets.mp_join.first("length", syns) == _JOIN_SYN_BYTES
    initial, joins = syns[~is_join], syns[is_join]
    capable = initial[packets.mp_capable.first("length", initial) > 0]
    if service is not None:
        services, port = [service[0]], service[1]
        to_service = (packets.dst == service[0]) & (packets.dport == port)
        clients = _distinct(packets.src[to_service])
        if not clients:
            raise AnalysisError(f"no packet to the service {packets.address(service[0])}:{port} in the captures")
    else:
        opening = capable if len(capable) else initial
        if not len(opening):
            raise AnalysisError("no SYN in the captures: who is the server?", hint="say it with --service ADDR:PORT")
        services, port = _busiest_first(packets.dst[opening]), int(packets.dport[opening[0]])
        clients = _distinct(packets.src[opening])
    if unique:
        found = list(unique)
    else:
        table = packets.add_addr
        announced = table.address[~table.echo & np.isin(packets.src[table.packet], _both(services, joins, packets))]
        found = [*_distinct(announced), *_distinct(packets.dst[joins])]
    others = [each for each in dict.fromkeys(found) if each not in services and each not in clients]
    # A client has further addresses, from which its joins come.
    clients += [each for each in _distinct(packets.src[joins]) if each not in (*clients, *services, *others)]
    return Addresses(
        client=tuple(clients),
        service=services[0],
        service_port=port,
        unique={_name(packets, each): each for each in others},
        more_services=tuple(services[1:]),
    )


def _name(packets: Packets, number: int) -> str:
    return packets.address(number, 6 if number < len(packets.ipv6) else 4)


def _both(services: Sequence[int], joins: Rows, packets: Packets) -> list[int]:
    """Addresses from which an ADD_ADDR may be a server's."""
    return [*services, *_distinct(packets.dst[joins])]


def _distinct(addresses: U32) -> list[int]:
    return [int(each) for each in np.unique(addresses)]


def _busiest_first(addresses: U32) -> list[int]:
    distinct, count = np.unique(addresses, return_counts=True)
    return [int(each) for each in distinct[np.argsort(-count, kind="stable")]]
