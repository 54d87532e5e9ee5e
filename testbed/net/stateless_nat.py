"""A balancer without a table of connections, by nftables: each packet's destination is what a hash of its flow says.

Both ways are rewritten packet by packet, and nothing is kept in between. The rules do not use the kernel's connection
tracking, which would remember where a flow went and so undo what is to be seen; where something else has it on, these
packets are left out of it (`notrack`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from testbed.base.families import Family, family_of
from testbed.base.needs import Call, kernel
from testbed.net import ipv6, nftables, sysctl
from testbed.net.netns import Node, here
from testbed.net.nftables import ADDRESS, IP, Counted, Map, Table
from testbed.process import CommandLog

NEED = kernel(
    "nftables with a hash",
    "CONFIG_NF_TABLES",
    "CONFIG_NF_TABLES_IPV4",
    "CONFIG_NFT_HASH",
    "CONFIG_NFT_CT",
    purpose="a balancer without a table of connections",
    module="nft_hash",
    probe=(Call(function="testbed.net.stateless_nat:probe"),),
)

_NAME = "balancer"
TO_SERVERS, TO_CLIENTS = "to_servers", "to_clients"
"""The counters of what came from clients, and of what servers answered."""


def probe() -> None:
    """Spread a service over two servers, where it is thrown away."""
    put(here(), "10.255.1.1", 80, {0: "10.255.2.1", 1: "10.255.3.1"}, ["10.255.2.1", "10.255.3.1"], seed=1)


def put(
    director: Node,
    vip: str,
    port: int,
    buckets: Mapping[int, str],
    servers: Sequence[str],
    *,
    seed: int,
    log: CommandLog | None = None,
) -> dict[str, Any]:
    """Send what comes to `vip:port` over TCP to the server (address) of its bucket, from now on.

    What any of `servers` answers, in the pool or not, leaves with the service's address. Returns the settings as they
    read back. Raises `ReadbackError`.
    """
    family = family_of(vip)
    ip, forwards = IP[family], sysctl.put(director, {ipv6.FORWARDS[family]: 1})
    mine = f"{ip} daddr {vip} tcp dport {port}"
    theirs = f"{ip} saddr {_any_of(servers)} tcp sport {port}"
    chains = {
        "prerouting": (
            "type filter hook prerouting priority raw; policy accept;",
            f'{mine} counter name "{TO_SERVERS}" notrack {nftables.flow_hash(len(buckets), seed, family)} '
            f"{ip} daddr set meta mark map @servers",
            f"{theirs} notrack",
        ),
        "postrouting": (
            "type filter hook postrouting priority srcnat; policy accept;",
            f'{theirs} counter name "{TO_CLIENTS}" {ip} saddr set {vip}',
        ),
    }
    table = Table(ip, _NAME, (TO_SERVERS, TO_CLIENTS), {"servers": Map(ADDRESS[family], buckets)}, chains)
    return {"sysctl": forwards, "nftables": nftables.put(director, table, log)}


def seed_of(director: Node, family: Family) -> int:
    """The seed of the hash that its rules for a service of this family have now."""
    return nftables.seed_in(nftables.listed(director, IP[family], _NAME))


def buckets(director: Node, family: Family) -> dict[int, str]:
    """The address of each bucket's server, as its rules have it now."""
    return nftables.elements(director, IP[family], _NAME, "servers")


def counted(director: Node, family: Family) -> dict[str, Counted]:
    """What its rules have counted so far, `TO_SERVERS` and `TO_CLIENTS`."""
    return nftables.counters(director, IP[family], _NAME)


def _any_of(addresses: Sequence[str]) -> str:
    """As nft lists a set of them: in order, and one by itself without braces."""
    return addresses[0] if len(addresses) == 1 else f"{{ {', '.join(addresses)} }}"
