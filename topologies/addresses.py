"""How the set-ups number their networks and hosts, in either family: with the same digits."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from testbed.base.families import Families, Family, family_of

PREFIX: Mapping[Family, int] = {"ipv4": 24, "ipv6": 64}
"""The length of a network's prefix."""

_BITS: Mapping[Family, int] = {"ipv4": 24, "ipv6": 32}
"""Where the number of a network ends in its address."""


def address(family: Family, network: int, host: int) -> str:
    """The address of a host: 10.0.NETWORK.HOST, or fd00:NETWORK::HOST."""
    return f"10.0.{network}.{host}" if family == "ipv4" else str(ipaddress.ip_address(f"fd00:{network}::{host}"))


def network(family: Family, number: int) -> str:
    """A network with its prefix: 10.0.NUMBER.0/24, or fd00:NUMBER::/64."""
    return f"{address(family, number, 0)}/{PREFIX[family]}"


def network_of(host: str) -> str:
    """The network that the address of a host is in, with its prefix."""
    return str(ipaddress.ip_network(f"{host}/{PREFIX[family_of(host)]}", strict=False))


def first_networks(family: Family, bits: int) -> str:
    """The networks of the numbers below 2 ** `bits`, as one."""
    return f"{address(family, 0, 0)}/{_BITS[family] - bits}"


def interface(families: Families, number: int, host: int) -> dict[str, Any]:
    """What Mininet is told of an interface in a network: its address, and `further_ips` of other families."""
    first, *others = [f"{address(family, number, host)}/{PREFIX[family]}" for family in families.every]
    return {"ip": first} | ({"further_ips": tuple(others)} if others else {})
