"""Who is who in the captures, by addresses as the captures' columns have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from testbed.record.addresses import AddressPlan


@dataclass(frozen=True)
class Addresses:
    """The client's, the service's and the servers' addresses; IPv4 addresses as integers.

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
    """The addresses of a point."""
    return Addresses(
        client=tuple(map(_number, plan.client)),
        service=_number(plan.service.address),
        service_port=plan.service.port,
        unique={name: _number(server.unique) for name, server in plan.servers.items() if server.unique is not None},
        local={
            name: tuple(map(_number, (server.local, *server.further_locals)))
            for name, server in plan.servers.items()
            if server.local is not None
        },
    )


def _number(address: str) -> int:
    return int(IPv4Address(address))
