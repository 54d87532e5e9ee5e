"""Who answers for the service address where the client is on its network: a router in its stead, and no server.

In IPv6 it is neighbour discovery that asks and answers. Source: Documentation/networking/ip-sysctl.rst of the kernel;
net/ipv4/arp.c, `arp_process`; net/ipv6/ndisc.c, `ndisc_recv_ns`.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed.base.errors import ReadbackError
from testbed.base.families import family_of
from testbed.net import sysctl
from testbed.net.netns import Node
from testbed.process import run

OWN_LINKS: Mapping[str, int] = {"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2}
"""The sysctls of `keep_to_own_links`."""


def answer_for_others(router: Node, interface: str, address: str) -> dict[str, str]:
    """Have the router answer on this interface for an address that it has a route to by another one, at once.

    In IPv4 it does so for every such address. Raises `ReadbackError`.
    """
    if family_of(address) == "ipv6":
        run(router.enter("ip", "-6", "neighbour", "add", "proxy", address, "dev", interface))
        found = run(router.enter("ip", "-6", "neighbour", "show", "proxy", "dev", interface)).stdout
        if address not in found.split():
            raise ReadbackError(f"proxies on {router.name} {interface}", address, found)
        return sysctl.put(
            router, {f"net.ipv6.conf.{interface}.proxy_ndp": 1, f"net.ipv6.neigh.{interface}.proxy_delay": 0}
        )
    wanted = {f"net.ipv4.conf.{interface}.proxy_arp": 1, f"net.ipv4.neigh.{interface}.proxy_delay": 0}
    return sysctl.put(router, wanted)


def keep_to_own_links(server: Node) -> dict[str, str]:
    """Have a server answer for, and ask as, addresses of the link in question only: it has one that others have, too.

    What every real server needs that has the service address (LVS's direct routing calls it the ARP problem). In IPv6
    it is so by itself.
    """
    return sysctl.put(server, OWN_LINKS)
