"""Tunnels in which a director sends packets on, and the interface by which a server takes them out: IPIP, GRE, GUE.

Over IPv4, or over IPv6 with an outer header of 20 bytes more. Source: net/ipv4/ipip.c, ip_gre.c and fou_core.c of the
kernel, net/ipv6/ip6_tunnel.c, ip6_gre.c and fou6.c; for IPVS's own numbers include/uapi/linux/ip_vs.h.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.base.errors import ReadbackError
from testbed.base.families import Family
from testbed.base.needs import Need, kernel
from testbed.net.netns import Node
from testbed.process import CommandLog, run, run_lines
from testbed.wire import MTU_BYTES

GUE_PORT = 6080
"""The port of GUE (RFC 6935's neighbour draft-ietf-intarea-gue; IANA)."""


@dataclass(frozen=True)
class Tunnel:
    """A kind of tunnel: IPVS's number of it, the bytes that it adds to a packet, the kind of the server's interface.

    `need` is what the server's kernel must have. `over_udp`: packets come to a UDP port.
    """

    ipvs: int
    overhead_bytes: int
    interface: str
    need: Need
    over_udp: bool = False


def _probe(kind: str) -> tuple[tuple[str, ...], ...]:
    return (
        ("ip", "link", "add", "probe-tun", "type", kind, "external"),
        ("ip", "link", "del", "probe-tun"),
    )


_PURPOSE = "tunnels to servers"
IPIP = kernel("IPIP", "CONFIG_NET_IPIP", purpose=_PURPOSE, module="ipip", probe=_probe("ipip"))
GRE = kernel("GRE", "CONFIG_NET_IPGRE", purpose=_PURPOSE, module="ip_gre", probe=_probe("gre"))
GUE = kernel(
    "GUE",
    "CONFIG_NET_FOU",
    "CONFIG_NET_IPIP",
    purpose=_PURPOSE,
    module="fou",
    probe=(("ip", "fou", "add", "port", str(GUE_PORT), "gue"), ("ip", "fou", "del", "port", str(GUE_PORT))),
)

IPIP_IPV6 = kernel("IP6IP6", "CONFIG_IPV6_TUNNEL", purpose=_PURPOSE, module="ip6_tunnel", probe=_probe("ip6tnl"))
GRE_IPV6 = kernel("GRE over IPv6", "CONFIG_IPV6_GRE", purpose=_PURPOSE, module="ip6_gre", probe=_probe("ip6gre"))
# CONFIG_IPV6_FOU has no prompt: it follows from these two.
GUE_IPV6 = kernel(
    "GUE over IPv6",
    "CONFIG_NET_FOU",
    "CONFIG_IPV6_TUNNEL",
    purpose=_PURPOSE,
    module="fou6",
    probe=(("ip", "fou", "add", "port", str(GUE_PORT), "gue", "-6"), ("ip", "fou", "del", "port", str(GUE_PORT), "-6")),
)

_IPV4, _IPV6, _GRE, _UDP, _GUE = 20, 40, 4, 8, 4
"""The bytes of each header, without options."""

OVER_IPV4: Mapping[str, Tunnel] = {
    "ipip": Tunnel(0, _IPV4, "ipip", IPIP),
    "gue": Tunnel(1, _IPV4 + _UDP + _GUE, "ipip", GUE, over_udp=True),
    "gre": Tunnel(2, _IPV4 + _GRE, "gre", GRE),
}
OVER_IPV6: Mapping[str, Tunnel] = {
    "ipip": Tunnel(0, _IPV6, "ip6tnl", IPIP_IPV6),
    "gue": Tunnel(1, _IPV6 + _UDP + _GUE, "ip6tnl", GUE_IPV6, over_udp=True),
    "gre": Tunnel(2, _IPV6 + _GRE, "ip6gre", GRE_IPV6),
}
KINDS: Mapping[Family, Mapping[str, Tunnel]] = {"ipv4": OVER_IPV4, "ipv6": OVER_IPV6}


def interface(server: str) -> str:
    """The name of a server's interface that takes packets out of tunnels."""
    return f"{server}-tun0"


def receive(server: Node, kind: Tunnel, port: int, family: Family, log: CommandLog | None = None) -> None:
    """Take what comes in tunnels to any address of the server, from whomever, and over GUE to this UDP port.

    Raises `CommandError` if the kernel has no such tunnel, `ReadbackError`.
    """
    name = interface(server.name)
    lines = [f"link add {name} mtu {MTU_BYTES} type {kind.interface} external", f"link set {name} up"]
    if kind.over_udp:
        lines.append(f"fou add port {port} gue{' -6' if family == 'ipv6' else ''}")
    run_lines(server.enter("ip"), lines, log)
    _read_back(server, name, {"kind": kind.interface, "external": True, "mtu": MTU_BYTES}, log)
    if kind.over_udp:
        found = json.loads(run(server.enter("ip", "-j", "fou", "show"), log=log).stdout or "[]")
        if [(each["port"], "gue" in each) for each in found] != [(port, True)]:
            raise ReadbackError(f"GUE at {server.name}", f"UDP port {port}", found)


def _read_back(server: Node, name: str, wanted: Mapping[str, object], log: CommandLog | None) -> None:
    (shown,) = json.loads(run(server.enter("ip", "-j", "-d", "link", "show", name), log=log).stdout)
    info = shown["linkinfo"]
    found = {"kind": info["info_kind"], "external": info["info_data"].get("external", False), "mtu": shown["mtu"]}
    if found != wanted:
        raise ReadbackError(f"tunnels of {server.name} {name}", wanted, found)
