"""IPv6 in a node's namespace, set before it has interfaces: its addresses are those that it is given, and at once.

By itself a kernel makes up a link-local address for each interface, asks for a second whether somebody has it already
(duplicate address detection), and then for routers and their prefixes, three times in twelve seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed.base.families import Family
from testbed.net import sysctl
from testbed.net.netns import Node

QUIET = {
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
}
"""No questions on the link but where a neighbour is."""

FORWARDS: Mapping[Family, str] = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}
"""The sysctl by which a node forwards packets of a family."""

_ADDRESSES_OF_ITS_OWN = "net.ipv6.conf.default.addr_gen_mode"
_OF_THE_LINK, _NONE = 0, 1  # IN6_ADDR_GEN_MODE_*


def prepare(node: Node, *, forwards: bool) -> dict[str, str]:
    """Set up a host, or a node that forwards packets; what reads back.

    Who forwards has link-local addresses: from one of them it asks where a neighbour is that others' packets are for
    (net/ipv6/ndisc.c, `ndisc_send_ns`). A host asks from its own.
    """
    values = {**QUIET, _ADDRESSES_OF_ITS_OWN: _OF_THE_LINK if forwards else _NONE}
    return sysctl.put(node, values | ({FORWARDS["ipv6"]: 1} if forwards else {}))


def ask_by_link_local(host: Node, interface: str) -> dict[str, str]:
    """Have a host ask on this interface where a neighbour is by a link-local address, as who forwards does.

    So it must for packets whose source is no address of this interface.
    """
    return sysctl.put(host, {f"net.ipv6.conf.{interface}.addr_gen_mode": _OF_THE_LINK})


def switch_off(switch: Node) -> dict[str, str]:
    """Leave a switch without IPv6 of its own: it has nothing to say on its links."""
    return sysctl.put(switch, {f"net.ipv6.conf.{each}.disable_ipv6": 1 for each in ("all", "default")})
