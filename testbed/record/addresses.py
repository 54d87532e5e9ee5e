"""Whose the addresses in a point's captures are: `addresses.json`, which the agent writes before the workload."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from testbed.record import model
from testbed.record.model import Record

FILE = "addresses.json"

NETWORK_BITS = 64


def _is_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise PydanticCustomError("address", "not an IP address") from None
    return text


Address = Annotated[str, AfterValidator(_is_address)]


def _is_network(text: str) -> str:
    try:
        found = ipaddress.IPv6Network(text)
    except ValueError:
        found = None
    if found is None or found.prefixlen != NETWORK_BITS:
        raise PydanticCustomError("network", "not a network of IPv6 with a prefix of 64 bits")
    return text


Network = Annotated[str, AfterValidator(_is_network)]


class Service(Record):
    """Where the service is: the VIP or the anycast address, and its TCP port."""

    address: Address
    port: Annotated[int, Strict(), Field(ge=0, lt=1 << 16)]


class ServerAddresses(Record):
    """A server's `unique` address (what a client receives from there went past the director).

    `local` is what its own socket sees of the service, or one of `further_locals` by another one of several directors.
    Where each connection is told another address, these are in the server's `network` (IPv6, with its prefix of 64).
    """

    unique: Address | None = None
    local: Address | None = None
    further_locals: tuple[Address, ...] = ()
    network: Network | None = None


class AddressPlan(Record):
    """Which addresses the client has, which the service has, and which each server has, by its node's name."""

    client: tuple[Address, ...]
    service: Service
    servers: dict[str, ServerAddresses]


def read_addresses(directory: Path) -> AddressPlan:
    """The addresses of the client, the service and the servers; raises AnalysisError."""
    return model.read(AddressPlan, directory / FILE)
