"""A second chance for packets whose server has no socket for them: it passes them on to their previous one, once.

The director writes into each packet's DSCP who had its bucket before; a server that has nothing but a listener for a
packet, which opens no connection, sends it to that one with the mark taken out. There it is delivered or answered with
a RST, and goes no further. What GLB's director and Beamer do with addresses in headers of their own (Beamer: V. Olteanu
et al., NSDI 2018; "daisy chaining"), here in the six bits of RFC 2474 that are for local use (pool 2).

nftables' `socket` finds listeners as well; `wildcard` tells them apart, because a listener is on no address and a
connection is (net/netfilter/nft_socket.c). A request or a socket in TIME-WAIT counts as a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from testbed.base.families import Family, family_of
from testbed.base.needs import Call, kernel
from testbed.net import ipv6, nftables, routing
from testbed.net.netns import Node, here
from testbed.net.nftables import IP, Counted, Map, Table
from testbed.net.stateless_dsr import Further
from testbed.process import CommandLog, run

NEED = kernel(
    "nftables that finds sockets and passes packets on",
    "CONFIG_NF_TABLES",
    "CONFIG_NF_TABLES_IPV4",
    "CONFIG_NFT_SOCKET",
    "CONFIG_NFT_DUP_IPV4",
    purpose="servers that pass on what they have no socket for",
    module="nft_socket",
    probe=(Call(function="testbed.net.second_chance:probe"),),
)

OVER_IPV6 = kernel(
    "nftables that passes IPv6 packets on",
    "CONFIG_NFT_DUP_IPV6",
    purpose="servers that pass on what they have no socket for",
    module="nft_dup_ipv6",
    probe=(
        ("nft", "add table ip6 probe; add chain ip6 probe to; add rule ip6 probe to dup to fd00:255::2 device lo"),
        ("nft", "delete", "table", "ip6", "probe"),
    ),
)

MOST_SERVERS = 16
"""So many code points there are for local use."""

PREVIOUS = "previous"
"""The map in a director's rules that has each bucket's previous owner, if there was one."""

_NAME, _PASSED, _WAS = "second_chance", "passed", "was_"


@dataclass(frozen=True)
class Neighbour:
    """Another server as this one reaches it: its number, from 1, and its address at the other end of an interface."""

    number: int
    address: str
    interface: str


def probe() -> None:
    """Pass on to one other server, where it is thrown away."""
    routing.add_probe_link("probe-s", "10.255.5.1/24")
    pass_on(here(), "10.255.1.1", 80, [Neighbour(2, "10.255.5.2", "probe-s")])
    run(["ip", "link", "del", "probe-s"])


def marking(previous: Mapping[int, int], servers: int, family: Family) -> Further:
    """What a director's rules have besides: each bucket's packets are marked with its previous owner, by its number.

    There are so many `servers`, and the service is of this family.
    """
    ip = IP[family]
    chains = {f"{_WAS}{number}": (f"{ip} dscp set 0x{_code(number):02x}",) for number in range(1, servers + 1)}
    jumps = {bucket: f"jump {_WAS}{number}" for bucket, number in previous.items()}
    return Further(marked=(f"meta mark vmap @{PREVIOUS}",), maps={PREVIOUS: Map("verdict", jumps)}, chains=chains)


def previous_owners(chains: Mapping[int, str]) -> dict[int, int]:
    """The same as its map `previous` reads back: the number of the server, by the bucket."""
    return {bucket: int(chain.removeprefix(_WAS)) for bucket, chain in chains.items()}


def pass_on(server: Node, vip: str, port: int, others: list[Neighbour], log: CommandLog | None = None) -> list[str]:
    """From now on, a server passes on what comes to `vip:port` and belongs to none of its connections, but opens none.

    Returns what reads back; raises `CommandError` and `ReadbackError`.
    """
    ip = IP[family_of(vip)]
    if ip == IP["ipv6"]:
        for interface in dict.fromkeys(each.interface for each in others):
            ipv6.ask_by_link_local(server, interface)
    mine = f"{ip} daddr {vip} tcp dport {port} tcp flags ! syn socket wildcard 1"
    chains: dict[str, tuple[str, ...]] = {
        f"to_{each.number}": (
            f'counter name "{_PASSED}" {ip} dscp set cs0 dup to {each.address} device "{each.interface}" drop',
        )
        for each in others
    }
    chains["prerouting"] = (
        "type filter hook prerouting priority mangle; policy accept;",
        *(f"{mine} {ip} dscp 0x{_code(each.number):02x} goto to_{each.number}" for each in others),
    )
    return nftables.put(server, Table(ip, _NAME, (_PASSED,), {}, chains), log)


def passed(server: Node, family: Family) -> Counted:
    """What a server has passed on so far, of a service of this family."""
    return nftables.counters(server, IP[family], _NAME)[_PASSED]


def _code(number: int) -> int:
    """The code point of a server: those that end in two ones, 3, 7 ... 63."""
    return 4 * number - 1
