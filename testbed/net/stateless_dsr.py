"""A balancer without a table of connections whose servers answer past it (direct server return), by nftables.

What comes from clients is taken where it arrives, before the kernel's own IP sees it, and goes on as it is to the
link-layer address of the server that a hash of its flow says (net/netfilter/nft_fwd_netdev.c).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.base.families import Family, family_of
from testbed.base.needs import Call, kernel
from testbed.net import nftables, routing
from testbed.net.netns import Node, here
from testbed.net.nftables import ADDRESS, IP, Counted, Map, Table
from testbed.process import CommandLog, run

NEED = kernel(
    "nftables that forwards where packets arrive",
    "CONFIG_NF_TABLES",
    "CONFIG_NF_TABLES_IPV4",
    "CONFIG_NF_TABLES_NETDEV",
    "CONFIG_NFT_FWD_NETDEV",
    "CONFIG_NFT_HASH",
    purpose="a balancer without a table of connections, past which servers answer",
    module="nft_fwd_netdev",
    probe=(Call(function="testbed.net.stateless_dsr:probe"),),
)

_ARRIVING, _NAME = "netdev", "balancer"
TO_SERVERS, TO_CLIENTS = "to_servers", "to_clients"


@dataclass(frozen=True)
class Further:
    """What a balancer's rules have besides: `first` for other packets, `marked` for its own, which have their bucket as
    mark; and the maps and chains of those.
    """

    first: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    maps: Mapping[str, Map] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def probe() -> None:
    """Spread a service over two servers, where it is thrown away."""
    routing.add_probe_link("probe-n", "10.255.4.1/24")
    put(here(), "probe-n", "10.255.1.1", 80, {0: "10.255.4.2", 1: "10.255.4.3"}, seed=1)
    run(["ip", "link", "del", "probe-n"])


def put(
    director: Node,
    interface: str,
    vip: str,
    port: int,
    buckets: Mapping[int, str],
    *,
    seed: int,
    further: Further | None = None,
    log: CommandLog | None = None,
) -> dict[str, Any]:
    """Send what comes to `vip:port` over TCP at this interface to the server (address) of its bucket, from now on.

    Returns the settings as they read back. Raises `ReadbackError`.
    """
    more, family = further or Further(), family_of(vip)
    ip = IP[family]
    mine = f"{ip} daddr {vip} tcp dport {port}"
    maps = {
        "servers": Map(ADDRESS[family], buckets),
        "links": Map("iface_index", links_to(director, buckets)),
        **more.maps,
    }
    chains = {
        **more.chains,
        "ingress": (
            f'type filter hook ingress device "{interface}" priority filter; policy accept;',
            *more.first,
            f'{mine} counter name "{TO_SERVERS}" {nftables.flow_hash(len(buckets), seed, family)}',
            *(f"{mine} {rule}" for rule in more.marked),
            f"{mine} fwd {ip} to meta mark map @servers device meta mark map @links",
        ),
    }
    answers = (
        "type filter hook forward priority filter; policy accept;",
        f'{ip} saddr {vip} counter name "{TO_CLIENTS}"',
    )
    arriving = Table(_ARRIVING, _NAME, (TO_SERVERS,), maps, chains)
    leaving = Table(ip, _NAME, (TO_CLIENTS,), {}, {"forward": answers})
    return {"arriving": nftables.put(director, arriving, log), "leaving": nftables.put(director, leaving, log)}


def links_to(director: Node, servers: Mapping[int, str]) -> dict[int, str]:
    """The interface that leads to each of these addresses, as nft writes it."""
    found = {
        address: f'"{routing.interface_towards(director, address)}"' for address in dict.fromkeys(servers.values())
    }
    return {number: found[address] for number, address in servers.items()}


def seed_of(director: Node) -> int:
    """The seed of the hash that its rules have now."""
    return nftables.seed_in(nftables.listed(director, _ARRIVING, _NAME))


def buckets(director: Node, of: str = "servers") -> dict[int, str]:
    """The address of each bucket's server, as its rules have it now; or what another map of theirs has.

    Nothing before there are rules.
    """
    return nftables.elements(director, _ARRIVING, _NAME, of)


def clear(director: Node, log: CommandLog | None = None) -> None:
    """Take its rules away."""
    run(director.enter("nft", "delete", "table", _ARRIVING, _NAME), log=log)


def counted(director: Node, family: Family) -> dict[str, Counted]:
    """What its rules for a service of this family have counted so far.

    `TO_SERVERS`, and `TO_CLIENTS` what came back through it.
    """
    found = (nftables.counters(director, each, _NAME) for each in (_ARRIVING, IP[family]))
    return {name: each for counters in found for name, each in counters.items()}
