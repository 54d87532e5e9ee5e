"""A static map of ports at a balancer: what comes to one of them goes to its server, whatever the pool is."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.base.families import family_of
from testbed.net.netns import Node
from testbed.net.nftables import ADDRESS, IP, Map
from testbed.net.stateless_dsr import TO_SERVERS, Further, links_to


def leading(director: Node, vip: str, servers: Mapping[int, str]) -> Further:
    """What a balancer's rules have besides: the way from each of these ports, all in a row, to a server's address."""
    first, last, family = min(servers), max(servers), family_of(vip)
    ports = str(first) if first == last else f"{first}-{last}"
    rule = (
        f'{IP[family]} daddr {vip} tcp dport {ports} counter name "{TO_SERVERS}" '
        f"fwd {IP[family]} to tcp dport map @port_servers device tcp dport map @port_links"
    )
    maps = {
        "port_servers": Map(ADDRESS[family], servers, key="inet_service"),
        "port_links": Map("iface_index", links_to(director, servers), key="inet_service"),
    }
    return Further(first=(rule,), maps=maps)
