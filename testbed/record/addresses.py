"""Whose the addresses in a point's captures are: `addresses.json`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.record import fields, reading


@dataclass(frozen=True)
class Addresses:
    """Who is who in the captures (`addresses.json`); IPv4 addresses as integers.

    `service` is the VIP or the anycast address, `unique` each server's own: what a client receives from there
    went past the director. `local` is what a server's own socket sees of the service, and `more_services` are further
    service addresses (of captures that are no point).
    """

    client: tuple[int, ...]
    service: int
    service_port: int
    unique: Mapping[str, int]
    local: Mapping[str, int] = field(default_factory=dict)
    more_services: tuple[int, ...] = ()

    @property
    def services(self) -> tuple[int, ...]:
        """Every service address."""
        return (self.service, *self.more_services)

    @property
    def servers(self) -> frozenset[int]:
        """Every address of a server that a client may see."""
        return frozenset((*self.services, *self.unique.values()))


def read_addresses(directory: Path) -> Addresses:
    """The addresses of the client, the service and the servers; raises AnalysisError."""
    raw, name = fields.load(directory / "addresses.json", dict)
    service = fields.get(raw, "service", dict, name)
    servers = fields.get(raw, "servers", dict, name)
    return Addresses(
        client=tuple(_address(text, name) for text in fields.get(raw, "client", list, name)),
        service=_address(fields.get(service, "address", str, name), name),
        service_port=fields.get(service, "port", int, name),
        unique={
            server: _address(entry["unique"], name)
            for server, entry in servers.items()
            if isinstance(entry, dict) and entry.get("unique")
        },
        local={
            server: _address(entry["local"], name)
            for server, entry in servers.items()
            if isinstance(entry, dict) and entry.get("local")
        },
    )


def _address(text: object, name: str) -> int:
    try:
        return int(ipaddress.IPv4Address(str(text)))
    except ipaddress.AddressValueError as error:
        raise AnalysisError(f"{name}: {reading.shown(text)} is not an IPv4 address") from error
