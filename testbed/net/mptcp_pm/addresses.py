"""An address and a port, IPv4 or IPv6, as the path manager compares them."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class SocketAddress:
    """One end of a subflow, or an address to announce; port 0: none given."""

    host: str
    port: int = 0

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6, by the way the address is written."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def plain_host(self) -> str:
        """The address in one spelling: `::ffff:192.0.2.1`, which an IPv6 socket sees, is 192.0.2.1."""
        address = ipaddress.ip_address(self.host)
        return str(getattr(address, "ipv4_mapped", None) or address)

    @property
    def takes_both(self) -> bool:
        """Whether it is the end of a socket of IPv6, which takes addresses of IPv4 as well, v4-mapped."""
        return self.family == socket.AF_INET6

    @property
    def is_ipv4(self) -> bool:
        """Whether packets go by IPv4, be the socket IPv6 or not."""
        return ":" not in self.plain_host

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host
