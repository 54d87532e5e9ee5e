"""The families of IP addresses, and what differs between them for whoever builds, loads or judges a network."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Literal

Family = Literal["ipv4", "ipv6"]
BOTH: frozenset[Family] = frozenset({"ipv4", "ipv6"})
ServerAddress = Literal["service", "unique"]


def family_of(address: str) -> Family:
    """The family of an address, by the way it is written."""
    return "ipv6" if ":" in address else "ipv4"


def number_of(address: str) -> int:
    """The kernel's number for the family of an address: AF_INET or AF_INET6."""
    return int(socket.AF_INET6 if family_of(address) == "ipv6" else socket.AF_INET)


def whole_length(address: str) -> int:
    """The length of the prefix that is this one address."""
    return 128 if family_of(address) == "ipv6" else 32


def in_url(address: str, *, mapped: bool = False) -> str:
    """An address as the host of a URL; `mapped`: as an IPv6 socket speaks to one of IPv4 (RFC 4291 section 2.5.5.2)."""
    if family_of(address) == "ipv6":
        return f"[{address}]"
    return f"[::ffff:{address}]" if mapped else address


@dataclass(frozen=True)
class Families:
    """The family of the service address, and that of the servers' unique addresses."""

    service: Family = "ipv4"
    unique: Family = "ipv4"

    @property
    def every(self) -> tuple[Family, ...]:
        """Each once, that of the service first: what the nodes have addresses of."""
        return tuple(dict.fromkeys((self.service, self.unique)))

    def of(self, address: ServerAddress) -> Family:
        """The family of a server's address of this kind."""
        return self.service if address == "service" else self.unique


ONLY_IPV4 = Families()
"""Those of a set-up that knows nothing of families."""
