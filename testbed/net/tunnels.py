"""Tunnels in which a director sends packets on, and the interface by which a server takes them out: IPIP, GRE, GUE.

Source: net/ipv4/ipip.c, ip_gre.c and fou_core.c of the kernel; for IPVS's own numbers include/uapi/linux/ip_vs.h.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.base.errors import ReadbackError
from testbed.base.needs import Need, kernel
from testbed.net.netns import Node
from testbed.process import CommandLog, run
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

_IPV4, _GRE, _UDP, _GUE = 20, 4, 8, 4
"""The bytes of each header, without options."""

KINDS: Mapping[str, Tunnel] = {
    "ipip": Tunnel(0, _IPV4, "ipip", IPIP),
    "gue": Tunnel(1, _IPV4 + _UDP + _GUE, "ipip", GUE, over_udp=True),
    "gre": Tunnel(2, _IPV4 + _GRE, "gre", GRE),
}


def interface(server: str) -> str:
    """The name of a server's interface that takes packets out of tunnels."""
    return f"{server}-tun0"


def receive(server: Node, kind: Tunnel, port: int, log: CommandLog | None = None) -> None:
    """Take what comes in tunnels to any address of the server, from whomever, and over GUE to this UDP port.

    Raises `CommandError` if the kernel has no such tunnel, `ReadbackError`.
    """
    name = interface(server.name)
    lines = [f"link add {name} mtu {MTU_BYTES} type {kind.interface} external", f"link set {name} up"]
    if kind.over_udp:
        lines.append(f"fou add port {port} gue")
    run(server.enter("ip", "-batch", "-"), stdin="".join(f"{line}\n" for line in lines), log=log)
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
