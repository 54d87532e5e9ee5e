"""A balancer that reads its server's number in what a client echoes of TCP's timestamps (TSecr, RFC 7323)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Literal

from testbed.base.families import family_of
from testbed.net.netns import Node
from testbed.net.nftables import ADDRESS, IP, Map
from testbed.net.stateless_dsr import TO_SERVERS, Further, links_to

Parser = Literal["options", "fixed"]
"""How the echo is found: option by option, or at one place."""

# NOP, NOP, and the option's kind and length, with which the options of Linux begin; its echo is in the fourth word.
_FIXED = "@th,160,32 0x101080a"
_ECHO: Mapping[Parser, tuple[str, str]] = {
    "options": ("tcp option timestamp tsecr != 0", "tcp option timestamp tsecr & {mask}"),
    "fixed": (_FIXED, "@th,224,32 & {mask:#x}"),
}


def leading(
    director: Node, vip: str, port: int, servers: Mapping[int, str], bits: int, parser: Parser = "options"
) -> Further:
    """What a balancer's rules have besides: the way to a server's address from each of these numbers (from 1).

    The echo is of `bits` bits; where it is no server's number, or there is none, this says nothing.
    """
    ip = IP[family_of(vip)]
    there, number = _ECHO[parser]
    # A mark is in the host's order, and what is loaded from a packet stays in the network's.
    by_mark = {socket.htonl(number): address for number, address in servers.items()}
    known = ", ".join(f"0x{mark:08x}" for mark in sorted(by_mark))
    rule = (
        f"{ip} daddr {vip} tcp dport {port} {there} meta mark set {number.format(mask=(1 << bits) - 1)} "
        f'meta mark {known if len(by_mark) == 1 else f"{{ {known} }}"} counter name "{TO_SERVERS}" '
        f"fwd {ip} to meta mark map @number_servers device meta mark map @number_links"
    )
    maps = {
        "number_servers": Map(ADDRESS[family_of(vip)], by_mark),
        "number_links": Map("iface_index", links_to(director, by_mark)),
    }
    return Further(first=(rule,), maps=maps)
