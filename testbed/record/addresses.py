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


def _is_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise PydanticCustomError("address", "not an IP address") from None
    return text


Address = Annotated[str, AfterValidator(_is_address)]


class Service(Record):
    """Where the service is: the VIP or the anycast address, and its TCP port."""

    address: Address
    port: Annotated[int, Strict(), Field(ge=0, lt=1 << 16)]


class ServerAddresses(Record):
    """A server's `unique` address (what a client receives from there went past the director).

    `local` is what its own socket sees of the service, or one of `further_locals` by another one of several directors.
    """

    unique: Address | None = None
    local: Address | None = None
    further_locals: tuple[Address, ...] = ()


class AddressPlan(Record):
    """Which addresses the client has, which the service has, and which each server has, by its node's name."""

    client: tuple[Address, ...]
    service: Service
    servers: dict[str, ServerAddresses]


def read_addresses(directory: Path) -> AddressPlan:
    """The addresses of the client, the service and the servers; raises AnalysisError."""
    return model.read(AddressPlan, directory / FILE)
