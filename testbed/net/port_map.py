"""A static map of ports at a balancer: what comes to one of them goes to its server, whatever the pool is."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.net.netns import Node
from testbed.net.nftables import Map
from testbed.net.stateless_dsr import TO_SERVERS, Further, links_to


def leading(director: Node, vip: str, servers: Mapping[int, str]) -> Further:
    """What a balancer's rules have besides: the way from each of these ports, all in a row, to a server's address."""
    first, last = min(servers), max(servers)
    ports = str(first) if first == last else f"{first}-{last}"
    rule = (
        f'ip daddr {vip} tcp dport {ports} counter name "{TO_SERVERS}" '
        "fwd ip to tcp dport map @port_servers device tcp dport map @port_links"
    )
    maps = {
        "port_servers": Map("ipv4_addr", servers, key="inet_service"),
        "port_links": Map("iface_index", links_to(director, servers), key="inet_service"),
    }
    return Further(first=(rule,), maps=maps)
