"""Who answers for the service address where the client is on its network: a router in its stead, and no server.

Source: Documentation/networking/ip-sysctl.rst of the kernel; net/ipv4/arp.c, `arp_process`.
"""

from __future__ import annotations

from testbed.net import sysctl
from testbed.net.netns import Node


def answer_for_others(router: Node, interface: str) -> dict[str, str]:
    """Have the router answer on this interface for addresses that it has a route to by another one, at once."""
    wanted = {f"net.ipv4.conf.{interface}.proxy_arp": 1, f"net.ipv4.neigh.{interface}.proxy_delay": 0}
    return sysctl.put(router, wanted)


def keep_to_own_links(server: Node) -> dict[str, str]:
    """Have a server answer for, and ask as, addresses of the link in question only: it has one that others have, too.

    What every real server needs that has the service address (LVS's direct routing calls it the ARP problem).
    """
    return sysctl.put(server, {"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2})
