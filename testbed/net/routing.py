"""Routes of a node: defaults, source routing for a unique address, equal-cost nexthops; read back."""

from __future__ import annotations

from typing import Any

from testbed.base.errors import ReadbackError
from testbed.base.needs import Call, kernel
from testbed.base.needs import sysctl as sysctl_need
from testbed.net import sysctl
from testbed.net.netns import Node, here, interface_index, route_socket
from testbed.process import run

HASH_SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.fib_multipath_hash_policy",
    "net.ipv4.fib_multipath_hash_fields",
    "net.ipv4.fib_multipath_hash_seed",
)
"""What `hash_by_flow` sets; the fields came with Linux 5.13, the seed with 6.11."""

MULTIPATH = kernel(
    "ECMP nexthops",
    "CONFIG_IP_ROUTE_MULTIPATH",
    purpose="a router with equal-cost paths",
    probe=(Call(function="testbed.net.routing:probe_nexthops"),),
)
HASH = frozenset(sysctl_need(name, purpose="the hash over equal-cost paths") for name in HASH_SYSCTLS)
"""The needs of `nexthops` and of `hash_by_flow`."""

_CUSTOM_POLICY = 3
_FIVE_TUPLE = 0x37
"""FIB_MULTIPATH_HASH_FIELD_ of both addresses, the protocol and both ports (include/net/ip_fib.h)."""

_UNIQUE_TABLE = 100


def default_via(node: Node, gateway: str) -> None:
    """Send everything without a better route to `gateway`."""
    with route_socket(node) as socket:
        socket.route("replace", dst="default", gateway=gateway)
        routes = [r.get_attr("RTA_GATEWAY") for r in socket.get_default_routes(table=254)]
    if routes != [gateway]:
        raise ReadbackError(f"default route of {node.name}", gateway, routes)


def from_address(node: Node, address: str, interface: str, network: str) -> None:
    """Packets from `address` leave by `interface` (they must not go back through the load balancer)."""
    with route_socket(node) as socket:
        index = interface_index(socket, interface)
        socket.route("replace", dst=network, oif=index, scope="link", prefsrc=address, table=_UNIQUE_TABLE)
        socket.rule("add", src=address, src_len=32, table=_UNIQUE_TABLE, priority=_UNIQUE_TABLE)
        rules = [r for r in socket.get_rules() if r.get_attr("FRA_SRC") == address]
    if len(rules) != 1 or rules[0].get_attr("FRA_TABLE") != _UNIQUE_TABLE:
        raise ReadbackError(f"rule for packets from {address} on {node.name}", _UNIQUE_TABLE, rules)


def add_address(node: Node, interface: str, address: str, prefix: int) -> None:
    """Give the interface one more address."""
    with route_socket(node) as socket:
        index = interface_index(socket, interface)
        socket.addr("add", index=index, address=address, prefixlen=prefix)
        found = [a.get_attr("IFA_ADDRESS") for a in socket.get_addr(index=index)]
    if address not in found:
        raise ReadbackError(f"addresses of {node.name} {interface}", address, found)


def hash_by_flow(router: Node, seed: int) -> dict[str, str]:
    """Spread flows over equal-cost nexthops by their 5-tuple, as a router does, with a hash that `seed` decides.

    Policy 1 is not that hash here: it takes the one that a packet carries already, and over veth a packet still
    carries its sender's socket's, which is random, changes at every retransmission timeout, and is another one in
    a RST that no socket sent. Policy 3 always reads the packet (net/ipv4/route.c, `fib_multipath_hash`).
    """
    return sysctl.put(router, dict(zip(HASH_SYSCTLS, (1, _CUSTOM_POLICY, _FIVE_TUPLE, seed), strict=True)))


def nexthops(router: Node, address: str, gateways: list[str]) -> list[str]:
    """Route `address` over equal-cost `gateways`, replacing what was there; returns what reads back."""
    destination = f"{address}/32"
    with route_socket(router) as socket:
        if len(gateways) == 1:
            socket.route("replace", dst=destination, gateway=gateways[0])
        else:
            socket.route("replace", dst=destination, multipath=[{"gateway": gateway} for gateway in gateways])
        found = _gateways(socket, address)
    if found != gateways:
        raise ReadbackError(f"nexthops of {address} on {router.name}", gateways, found)
    return found


def probe_nexthops() -> None:
    """Set nexthops, where they are thrown away."""
    run(["ip", "link", "add", "probe-c", "type", "veth", "peer", "name", "probe-d"])
    for number, name in ((1, "probe-c"), (2, "probe-d")):
        run(["ip", "address", "add", f"10.255.{number}.1/24", "dev", name])
        run(["ip", "link", "set", name, "up"])
    nexthops(here(), "10.255.0.80", ["10.255.1.2", "10.255.2.2"])
    run(["ip", "link", "del", "probe-c"])


def _gateways(socket: Any, address: str) -> list[str]:
    found = []
    for route in socket.get_routes(family=2, dst_len=32):
        if route.get_attr("RTA_DST") != address or route.get_attr("RTA_TABLE") != 254:
            continue
        hops = route.get_attr("RTA_MULTIPATH")
        found += [hop.get_attr("RTA_GATEWAY") for hop in hops] if hops else [route.get_attr("RTA_GATEWAY")]
    return found
