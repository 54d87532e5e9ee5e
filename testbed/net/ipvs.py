"""LVS on the director: a virtual service that translates addresses (NAT), its servers, read back.

Source: net/netfilter/ipvs and include/uapi/linux/ip_vs.h of the kernel (generic netlink family IPVS).
"""

from __future__ import annotations

import socket as sockets
from typing import Any

from pyroute2 import IPVS, IPVSDest, IPVSService

from testbed.base.errors import ReadbackError
from testbed.base.needs import Call, kernel
from testbed.net import sysctl
from testbed.net.netns import Node, here, inside

NEED = kernel(
    "IPVS",
    "CONFIG_IP_VS",
    "CONFIG_IP_VS_RR",
    purpose="the load balancer",
    module="ip_vs",
    probe=(Call(function="testbed.net.ipvs:probe"),),
)

_MASQUERADE = 0  # IP_VS_CONN_F_MASQ


def probe() -> None:
    """Offer a service, where it is thrown away."""
    serve(here(), "10.255.1.1", 80, ["10.255.2.1"])


def serve(director: Node, vip: str, port: int, servers: list[str], *, scheduler: str = "rr") -> list[dict[str, Any]]:
    """Offer `vip:port` over TCP, spread over `servers` (addresses) by NAT; returns the servers read back."""
    sysctl.put(director, {"net.ipv4.ip_forward": 1})
    with inside(director), IPVS() as ipvs:
        service = IPVSService(addr=vip, port=port, protocol=sockets.IPPROTO_TCP, sched_name=scheduler)
        ipvs.service("add", service=service)
        for address in servers:
            ipvs.dest("add", service=service, dest=IPVSDest(addr=address, port=port, fwd_method=_MASQUERADE))
        return _read_back(ipvs, service, director, servers)


def set_servers(director: Node, vip: str, port: int, servers: list[str]) -> list[dict[str, Any]]:
    """Remove and add servers of a service until it has just these; returns them read back.

    IPVS forgets the connections of a server that is removed: what comes in them is dropped, or reset, from then on.
    """
    with inside(director), IPVS() as ipvs:
        service = IPVSService(addr=vip, port=port, protocol=sockets.IPPROTO_TCP)
        present = [_destination(message)["address"] for message in ipvs.dest("dump", service=service)]
        for address in set(present) - set(servers):
            ipvs.dest("del", service=service, dest=IPVSDest(addr=address, port=port))
        for address in [each for each in servers if each not in present]:
            ipvs.dest("add", service=service, dest=IPVSDest(addr=address, port=port, fwd_method=_MASQUERADE))
        return _read_back(ipvs, service, director, servers)


def _read_back(ipvs: Any, service: Any, director: Node, servers: list[str]) -> list[dict[str, Any]]:
    found = [_destination(message) for message in ipvs.dest("dump", service=service)]
    wanted = sorted((address, service["port"], _MASQUERADE) for address in servers)
    if sorted((d["address"], d["port"], d["forwarding"]) for d in found) != wanted:
        raise ReadbackError(f"IPVS service {service['addr']}:{service['port']} on {director.name}", wanted, found)
    return found


def _destination(message: Any) -> dict[str, Any]:
    dest = message.get_attr("IPVS_CMD_ATTR_DEST")
    return {
        "address": dest.get_attr("IPVS_DEST_ATTR_ADDR"),
        "port": dest.get_attr("IPVS_DEST_ATTR_PORT"),
        "forwarding": dest.get_attr("IPVS_DEST_ATTR_FWD_METHOD") & 0x7,
        "weight": dest.get_attr("IPVS_DEST_ATTR_WEIGHT"),
    }
