"""Routes of a node: defaults, source routing for a unique address, equal-cost nexthops; read back."""

from __future__ import annotations

from collections.abc import Mapping
from socket import if_indextoname
from typing import Any

from testbed.base.errors import ReadbackError
from testbed.base.families import Family, family_of, number_of, whole_length
from testbed.base.needs import Call, kernel
from testbed.base.needs import sysctl as sysctl_need
from testbed.net import netlink, sysctl
from testbed.net.codecs import fibmsg, ifaddrmsg, rtmsg
from testbed.net.netlink import Netlink
from testbed.net.netns import Node, here, interface_index, routing_socket
from testbed.process import run

HASH_SYSCTLS: Mapping[Family, tuple[str, ...]] = {
    "ipv4": (
        "net.ipv4.ip_forward",
        "net.ipv4.fib_multipath_hash_policy",
        "net.ipv4.fib_multipath_hash_fields",
        "net.ipv4.fib_multipath_hash_seed",
    ),
    "ipv6": (
        "net.ipv6.conf.all.forwarding",
        "net.ipv6.fib_multipath_hash_policy",
        "net.ipv6.fib_multipath_hash_fields",
        "net.ipv4.fib_multipath_hash_seed",  # of both families
    ),
}
"""What `hash_by_flow` sets; the fields came with Linux 5.13, the seed with 6.11."""

MULTIPATH = kernel(
    "ECMP nexthops",
    "CONFIG_IP_ROUTE_MULTIPATH",
    purpose="a router with equal-cost paths",
    probe=(Call(function="testbed.net.routing:probe_nexthops"),),
)
HASH, HASH_IPV6 = (
    frozenset(sysctl_need(name, purpose="the hash over equal-cost paths") for name in HASH_SYSCTLS[family])
    for family in ("ipv4", "ipv6")
)
"""The needs of `nexthops` and of `hash_by_flow`, in either family."""

_CUSTOM_POLICY = 3
_FIVE_TUPLE = 0x37
"""FIB_MULTIPATH_HASH_FIELD_ of both addresses, the protocol and both ports (include/net/ip_fib.h)."""

_UNIQUE_TABLE, _SERVICE_TABLE = 100, 101

# include/uapi/linux/rtnetlink.h and fib_rules.h
_NEW_ADDRESS, _GET_ADDRESSES, _NEW_ROUTE, _GET_ROUTES, _NEW_RULE, _GET_RULES = 20, 22, 24, 26, 32, 34
_MAIN, _STATIC, _UNICAST, _TO_TABLE = 254, 4, 1, 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_AT_ONCE = 0x02  # IFA_F_NODAD: nobody is asked whether he has this IPv6 address already


def default_via(node: Node, gateway: str) -> None:
    """Send everything without a better route to `gateway`."""
    with routing_socket(node) as socket:
        _put_route(socket, _MAIN, ("RTA_GATEWAY", gateway), destination=_everything(gateway))
        routes = [
            route.get_attr("RTA_GATEWAY")
            for route in _all(socket, rtmsg(), _GET_ROUTES, gateway)
            if route["dst_len"] == 0 and route.get_attr("RTA_TABLE") == _MAIN
        ]
    if routes != [gateway]:
        raise ReadbackError(f"default route of {node.name}", gateway, routes)


def from_address(node: Node, address: str, interface: str, network: str) -> None:
    """Packets from `address` leave by `interface` (they must not go back through the load balancer)."""
    with routing_socket(node) as socket:
        way = ("RTA_OIF", interface_index(interface)), ("RTA_PREFSRC", address)
        _put_route(socket, _UNIQUE_TABLE, *way, destination=network, scope=_SCOPE_LINK)
        _put_rule(socket, node, address, _UNIQUE_TABLE)


def through(node: Node, address: str, gateway: str, table: int) -> None:
    """Packets from `address` leave through `gateway`, by a table of their own, whatever the default route."""
    with routing_socket(node) as socket:
        _put_route(socket, table, ("RTA_GATEWAY", gateway), destination=_everything(gateway))
        _put_rule(socket, node, address, table)


def answers_from(node: Node, address: str, interface: str, gateway: str, largest_segment: int) -> None:
    """Packets from `address` leave by `interface` for `gateway`, wherever they go.

    The peers are told to send no TCP segment above `largest_segment` bytes.
    """
    with routing_socket(node) as socket:
        way = ("RTA_OIF", interface_index(interface)), ("RTA_GATEWAY", gateway), ("RTA_PREFSRC", address)
        metrics = ("RTA_METRICS", {"attrs": [("RTAX_ADVMSS", largest_segment)]})
        _put_route(socket, _SERVICE_TABLE, *way, metrics, destination=_everything(gateway))
        _put_rule(socket, node, address, _SERVICE_TABLE)
        routes = [
            (route.get_attr("RTA_GATEWAY"), route.get_attr("RTA_METRICS").get_attr("RTAX_ADVMSS"))
            for route in _all(socket, rtmsg(), _GET_ROUTES, gateway)
            if route.get_attr("RTA_TABLE") == _SERVICE_TABLE
        ]
    if routes != [(gateway, largest_segment)]:
        raise ReadbackError(f"route of what {node.name} sends from {address}", (gateway, largest_segment), routes)


def add_address(node: Node, interface: str, address: str, prefix: int) -> None:
    """Give the interface one more address."""
    with routing_socket(node) as socket:
        index = interface_index(interface)
        wanted = ifaddrmsg()
        wanted["family"], wanted["prefixlen"], wanted["index"] = number_of(address), prefix, index
        wanted["flags"] = _AT_ONCE if family_of(address) == "ipv6" else 0
        wanted["attrs"] = [("IFA_LOCAL", address), ("IFA_ADDRESS", address)]
        socket.ask(wanted, _NEW_ADDRESS, netlink.CREATE | netlink.EXCLUSIVE)
        answers = _all(socket, ifaddrmsg(), _GET_ADDRESSES, address)
        found = [answer.get_attr("IFA_ADDRESS") for answer in answers if answer["index"] == index]
    if address not in found:
        raise ReadbackError(f"addresses of {node.name} {interface}", address, found)


def hash_by_flow(router: Node, seed: int, family: Family = "ipv4") -> dict[str, str]:
    """Spread flows over equal-cost nexthops by their 5-tuple, as a router does, with a hash that `seed` decides.

    Policy 1 is not that hash here: it takes the one that a packet carries already, and over veth a packet still
    carries its sender's socket's, which is random, changes at every retransmission timeout, and is another one in
    a RST that no socket sent. Policy 3 always reads the packet (net/ipv4/route.c, `fib_multipath_hash`; of IPv6,
    net/ipv6/route.c, `rt6_multipath_hash`), and of IPv6 not the flow label, which is that same number of the socket's.
    """
    return sysctl.put(router, dict(zip(HASH_SYSCTLS[family], (1, _CUSTOM_POLICY, _FIVE_TUPLE, seed), strict=True)))


def nexthops(router: Node, address: str, gateways: list[str]) -> list[str]:
    """Route `address` over equal-cost `gateways`, replacing what was there; returns what reads back.

    In IPv4 that is one step. In IPv6 the first one takes the place of all that were there, and the others join it.
    """
    hops = [{"hops": 0, "attrs": [("RTA_GATEWAY", gateway)]} for gateway in gateways]
    way = ("RTA_GATEWAY", gateways[0]) if len(gateways) == 1 else ("RTA_MULTIPATH", hops)
    with routing_socket(router) as socket:
        _put_route(socket, _MAIN, way, destination=f"{address}/{whole_length(address)}")
        found = _gateways(socket, address)
    if found != gateways:
        raise ReadbackError(f"nexthops of {address} on {router.name}", gateways, found)
    return found


def interface_towards(node: Node, address: str) -> str:
    """The interface by which a node reaches an address; raises `Refused` if it has no route there."""
    with routing_socket(node) as socket:
        return if_indextoname(_route_to(socket, address).get_attr("RTA_OIF"))


def next_hop(node: Node, address: str) -> str:
    """The gateway by which a node reaches an address, or the interface where that is on its link; raises `Refused`."""
    with routing_socket(node) as socket:
        route = _route_to(socket, address)
        return str(route.get_attr("RTA_GATEWAY") or if_indextoname(route.get_attr("RTA_OIF")))


def _route_to(socket: Netlink, address: str) -> Any:
    wanted = rtmsg()
    wanted["family"], wanted["dst_len"] = number_of(address), whole_length(address)
    wanted["attrs"] = [("RTA_DST", address)]
    (route,) = socket.ask(wanted, _GET_ROUTES)
    return route


def add_probe_link(name: str, address: str) -> None:
    """An interface with this address for a probe, which takes it away again."""
    run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-peer"])
    run(["ip", "address", "add", address, "dev", name])
    for each in (name, f"{name}-peer"):
        run(["ip", "link", "set", each, "up"])


def probe_nexthops() -> None:
    """Set nexthops, where they are thrown away."""
    run(["ip", "link", "add", "probe-c", "type", "veth", "peer", "name", "probe-d"])
    for number, name in ((1, "probe-c"), (2, "probe-d")):
        run(["ip", "address", "add", f"10.255.{number}.1/24", "dev", name])
        run(["ip", "link", "set", name, "up"])
    nexthops(here(), "10.255.0.80", ["10.255.1.2", "10.255.2.2"])
    run(["ip", "link", "del", "probe-c"])


def _put_route(
    socket: Netlink, table: int, *way: tuple[str, Any], destination: str, scope: int = _SCOPE_UNIVERSE
) -> None:
    """Make this the route to `destination`, whatever was there."""
    address, _, length = destination.partition("/")
    message = rtmsg()
    message["family"], message["dst_len"], message["table"] = number_of(address), int(length), table
    message["proto"], message["scope"], message["type"] = _STATIC, scope, _UNICAST
    message["attrs"] = [("RTA_TABLE", table), *([("RTA_DST", address)] if int(length) else []), *way]
    socket.ask(message, _NEW_ROUTE, netlink.CREATE | netlink.REPLACE)


def _put_rule(socket: Netlink, node: Node, address: str, table: int) -> None:
    """What comes from `address` looks in this table first."""
    rule = fibmsg()
    rule["family"], rule["src_len"] = number_of(address), whole_length(address)
    rule["table"], rule["action"] = table, _TO_TABLE
    rule["attrs"] = [("FRA_SRC", address), ("FRA_TABLE", table), ("FRA_PRIORITY", table)]
    socket.ask(rule, _NEW_RULE, netlink.CREATE | netlink.EXCLUSIVE)
    rules = [r for r in _all(socket, fibmsg(), _GET_RULES, address) if r.get_attr("FRA_SRC") == address]
    if len(rules) != 1 or rules[0].get_attr("FRA_TABLE") != table:
        raise ReadbackError(f"rule for packets from {address} on {node.name}", table, rules)


def _everything(like: str) -> str:
    """All destinations of an address's family."""
    return "::/0" if family_of(like) == "ipv6" else "0.0.0.0/0"


def _all(socket: Netlink, message: Any, kind: int, like: str) -> list[Any]:
    """All that there is of the kind, of the family of the address `like`."""
    message["family"] = number_of(like)
    return socket.ask(message, kind, netlink.DUMP)


def _gateways(socket: Netlink, address: str) -> list[str]:
    found = []
    for route in _all(socket, rtmsg(), _GET_ROUTES, address):
        is_whole = route["dst_len"] == whole_length(address)
        if not is_whole or route.get_attr("RTA_DST") != address or route.get_attr("RTA_TABLE") != _MAIN:
            continue
        hops = route.get_attr("RTA_MULTIPATH")
        found += [hop.get_attr("RTA_GATEWAY") for hop in hops] if hops else [route.get_attr("RTA_GATEWAY")]
    return found
