"""Who is who in the captures, by addresses as the captures' columns have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

from analysis.pcap.packets import NETWORK_BYTES
from testbed.record.addresses import AddressPlan


@dataclass(frozen=True)
class Addresses:
    """The client's, the service's and the servers' addresses; of IPv4 as integers, of IPv6 as packets number them.

    `service` is the VIP or the anycast address, `unique` each server's own: what a client receives from there
    went past the director. `local` are what a server's own socket sees of the service, and `more_services` are further
    service addresses (of captures that are no point).
    """

    client: tuple[int, ...]
    service: int
    service_port: int
    unique: Mapping[str, int]
    local: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    more_services: tuple[int, ...] = ()

    @property
    def services(self) -> tuple[int, ...]:
        """Every service address."""
        return (self.service, *self.more_services)

    @property
    def servers(self) -> frozenset[int]:
        """Every address of a server that a client may see."""
        return frozenset((*self.services, *self.unique.values()))


def of_point(plan: AddressPlan) -> Addresses:
    """The addresses of a point, as packets have them in which `ipv6_of` the plan come first (`with_first_ipv6`)."""
    ipv6 = ipv6_of(plan)

    def number(address: str) -> int:
        parsed = ip_address(address)
        return 1 + ipv6.index(parsed.packed) if isinstance(parsed, IPv6Address) else int(parsed)

    return Addresses(
        client=tuple(map(number, plan.client)),
        service=number(plan.service.address),
        service_port=plan.service.port,
        unique={name: number(server.unique) for name, server in plan.servers.items() if server.unique is not None},
        local={
            name: tuple(map(number, (server.local, *server.further_locals)))
            for name, server in plan.servers.items()
            if server.local is not None
        },
    )


def networks_of(plan: AddressPlan) -> dict[bytes, bytes]:
    """The unique address of the server whose network begins so: of those there no more is asked than whose they are."""
    return {
        ip_network(each.network).network_address.packed[:NETWORK_BYTES]: ip_address(each.unique).packed
        for each in plan.servers.values()
        if each.network and each.unique
    }


def ipv6_of(plan: AddressPlan) -> list[bytes]:
    """The plan's IPv6 addresses, each once."""
    of_servers = [
        address
        for each in plan.servers.values()
        for address in (each.unique, each.local, *each.further_locals)
        if address
    ]
    parsed = map(ip_address, (*plan.client, plan.service.address, *of_servers))
    return list(dict.fromkeys(each.packed for each in parsed if isinstance(each, IPv6Address)))
