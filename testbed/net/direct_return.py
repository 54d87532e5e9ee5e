"""Direct server return: each server has the service address itself, and answers from it past the director.

Source: Documentation/networking/ip-sysctl.rst of the kernel (arp_ignore, arp_announce, rp_filter, accept_local).
"""

from __future__ import annotations

from testbed.base.families import family_of, whole_length
from testbed.base.needs import sysctl as sysctl_need
from testbed.net import arp, ipv6, routing, sysctl
from testbed.net.netns import Node

# What comes by another interface than answers leave by is as good, if there is any way back (a strict filter drops it).
_LOOSE = {"net.ipv4.conf.all.rp_filter": 2}
# What comes from the node's own service address is forwarded.
_FROM_ITSELF = {"net.ipv4.conf.all.accept_local": 1}

NEEDS = frozenset(
    sysctl_need(name, purpose="servers that answer past the director")
    for name in (*arp.OWN_LINKS, *_LOOSE, *_FROM_ITSELF)
)
"""What direct server return needs."""


def receive(server: Node, address: str, interface: str = "lo") -> None:
    """Give a server the service address, which it tells nobody.

    What arrives at an interface without any address is dropped by the loosest filter, too: that of a tunnel has it.
    """
    sysctl.put(server, {**arp.OWN_LINKS, **_LOOSE})
    routing.add_address(server, interface, address, whole_length(address))


def answer(server: Node, address: str, interface: str, gateway: str, largest_segment: int) -> None:
    """What the server sends from `address` leaves by `interface` for `gateway`.

    It tells its peers to send no segment above `largest_segment`. In IPv6 it asks for the gateway by a link-local
    address: `address` is none of that interface's.
    """
    if family_of(address) == "ipv6":
        ipv6.ask_by_link_local(server, interface)
    routing.answers_from(server, address, interface, gateway, largest_segment)


def accept(client: Node) -> None:
    """The client takes answers from the service address at whichever interface they arrive."""
    sysctl.put(client, _LOOSE)


def forward(director: Node) -> None:
    """The director passes on to clients what servers send from the service address, which it has as well.

    In IPv6 it forwards from the beginning, and looks at nobody's source.
    """
    sysctl.put(director, {"net.ipv4.ip_forward": 1, **_LOOSE, **_FROM_ITSELF})
