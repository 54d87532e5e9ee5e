"""LVS on the director: a virtual service with its scheduler, and its real servers; read back.

Source: net/netfilter/ipvs and include/uapi/linux/ip_vs.h of the kernel.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.base.errors import ReadbackError
from testbed.base.families import Family, family_of, in_url
from testbed.base.needs import Call, kernel
from testbed.net import ipvs_messages as messages
from testbed.net import netlink, sysctl
from testbed.net.ipv6 import FORWARDS
from testbed.net.netlink import Netlink
from testbed.net.netns import Node, generic_socket, here

NEED = kernel(
    "IPVS",
    "CONFIG_IP_VS",
    "CONFIG_IP_VS_RR",
    purpose="the load balancer",
    module="ip_vs",
    probe=(Call(function="testbed.net.ipvs:probe"),),
)
OVER_IPV6 = kernel(
    "IPVS over IPv6",
    "CONFIG_IP_VS_IPV6",
    purpose="a service at an IPv6 address",
    probe=(Call(function="testbed.net.ipvs:probe_ipv6"),),
)
"""What a service at an IPv6 address needs beside `NEED`."""
SCHEDULERS = {
    name: kernel(
        f"IPVS scheduler {name}",
        f"CONFIG_IP_VS_{name.upper()}",
        purpose="how the load balancer chooses a server",
        module=f"ip_vs_{name}",
        probe=(Call(function="testbed.net.ipvs:probe", arguments=(name,)),),
    )
    for name in ("wrr", "lc", "wlc", "sh", "mh")
}
"""What each scheduler needs beside `NEED`; `rr`, which comes with that, is not among them."""

FALLBACK, PORT = 0x0008, 0x0010  # IP_VS_SVC_F_SCHED_SH_FALLBACK, _PORT; those of mh are the same
_SCHEDULER_FLAGS = 0x0008 | 0x0010 | 0x0020  # IP_VS_SVC_F_SCHED1 to 3
_METHOD = 0x0007  # IP_VS_CONN_F_FWD_MASK
_ONE: Mapping[Family, int] = {"ipv4": 0xFFFFFFFF, "ipv6": 128}
"""The netmask of a service at one address; of IPv6 the length of its prefix."""


@dataclass(frozen=True)
class Service:
    """A virtual service over TCP; `flags` are its scheduler's (`FALLBACK`, `PORT`)."""

    address: str
    port: int
    scheduler: str = "rr"
    flags: int = 0

    @property
    def key(self) -> dict[str, Any]:
        """What tells it from others."""
        return messages.service(self.address, self.port)

    def __str__(self) -> str:
        return f"{in_url(self.address)}:{self.port}"


@dataclass(frozen=True)
class Forwarding:
    """How packets get to a real server: IPVS's `method` (IP_VS_CONN_F_*), and what kind of tunnel it is, to which port.

    The kind is IPVS's as well (IP_VS_CONN_F_TUNNEL_TYPE_*); None where there is no tunnel.
    """

    method: int
    tunnel: int | None = None
    tunnel_port: int = 0

    def attributes(self) -> dict[str, Any]:
        """What IPVS is told of it for each server."""
        found = {"FWD_METHOD": self.method}
        return found if self.tunnel is None else {**found, "TUN_TYPE": self.tunnel, "TUN_PORT": self.tunnel_port}

    def record(self) -> dict[str, Any]:
        """The same as it must read back."""
        found = {"forwarding": self.method}
        return found if self.tunnel is None else {**found, "tunnel": self.tunnel, "tunnel_port": self.tunnel_port}


NAT = Forwarding(0)
"""The service address is translated to the server's, and back in its answers."""

DIRECT_ROUTING = Forwarding(3)
"""Nothing is translated: the packet goes to the server's link-layer address, and the server has the service's."""
TUNNEL = 2
"""The method that puts the packet into another one, for the server's own address."""

Weights = Mapping[str, int]
"""Real servers by address, with their weights."""


def probe(scheduler: str = "rr") -> None:
    """Offer a service, where it is thrown away."""
    serve(here(), Service("10.255.1.1", 80, scheduler), {"10.255.2.1": 1})


def probe_ipv6() -> None:
    """Offer a service at an IPv6 address, where it is thrown away."""
    serve(here(), Service("fd00:255:1::1", 80), {"fd00:255:2::1": 1})


def serve(director: Node, service: Service, servers: Weights, forwarding: Forwarding = NAT) -> dict[str, Any]:
    """Offer a service, spread over `servers`; what reads back of both, as `ipvs_service` and `ipvs`."""
    sysctl.put(director, {FORWARDS[family_of(service.address)]: 1})
    with generic_socket(director) as socket:
        family = socket.family(messages.FAMILY).id
        flags = {"flags": service.flags, "mask": 0xFFFF}
        how = {
            "SCHED_NAME": service.scheduler,
            "FLAGS": flags,
            "TIMEOUT": 0,
            "NETMASK": _ONE[family_of(service.address)],
        }
        socket.ask(messages.message(messages.NEW_SERVICE, {**service.key, **how}), family)
        for address, weight in servers.items():
            _put(socket, family, messages.NEW_DEST, service, address, weight, forwarding)
        found = _servers(socket, family, director, service, servers, forwarding)
        return {"ipvs_service": _service(socket, family, director, service), "ipvs": found}


def set_servers(
    director: Node, service: Service, servers: Weights, forwarding: Forwarding = NAT
) -> list[dict[str, Any]]:
    """Remove and add servers of a service, and change their weights, until it has just these; returns them read back.

    IPVS forgets the connections of a server that is removed: what comes in them is dropped, or reset, from then on. One
    of weight 0 keeps its connections, and gets no others.
    """
    with generic_socket(director) as socket:
        family = socket.family(messages.FAMILY).id
        present = {each["address"]: each["weight"] for each in _destinations(socket, family, service)}
        for address in set(present) - set(servers):
            gone = messages.destination(address, service.port)
            socket.ask(messages.message(messages.DEL_DEST, service.key, gone), family)
        for address, weight in servers.items():
            if present.get(address) != weight:
                command = messages.SET_DEST if address in present else messages.NEW_DEST
                _put(socket, family, command, service, address, weight, forwarding)
        return _servers(socket, family, director, service, servers, forwarding)


def address_in(field: bytes, family: Family) -> str:
    """The address in an attribute of IPVS's, which has sixteen bytes whatever the family."""
    return str(ipaddress.ip_address(field[: 4 if family == "ipv4" else 16]))


def _put(
    socket: Netlink, family: int, command: int, service: Service, address: str, weight: int, forwarding: Forwarding
) -> None:
    limits = {"U_THRESH": 0, "L_THRESH": 0}  # of connections: none
    key = messages.destination(address, service.port)
    server = {**key, **forwarding.attributes(), "WEIGHT": weight, **limits}
    socket.ask(messages.message(command, service.key, server), family)


def _service(socket: Netlink, family: int, director: Node, service: Service) -> dict[str, Any]:
    (answer,) = socket.ask(messages.message(messages.GET_SERVICE, service.key), family)
    found = answer.get_attr("IPVS_CMD_ATTR_SERVICE")
    flags = found.get_attr("IPVS_SVC_ATTR_FLAGS")["flags"] & _SCHEDULER_FLAGS
    read = {"scheduler": found.get_attr("IPVS_SVC_ATTR_SCHED_NAME"), "flags": flags}
    wanted = {"scheduler": service.scheduler, "flags": service.flags}
    if read != wanted:
        raise ReadbackError(f"IPVS service {service} on {director.name}", wanted, read)
    return read


def _servers(
    socket: Netlink, family: int, director: Node, service: Service, servers: Weights, forwarding: Forwarding
) -> list[dict[str, Any]]:
    found = _destinations(socket, family, service)
    wanted = [
        {"address": address, "port": service.port, "weight": weight, **forwarding.record()}
        for address, weight in servers.items()
    ]
    read = [{name: each[name] for name in wanted[0]} for each in found] if wanted else found
    if sorted(map(_in_order, read)) != sorted(map(_in_order, wanted)):
        raise ReadbackError(f"servers of the IPVS service {service} on {director.name}", wanted, found)
    return found


def _in_order(server: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(server.items())


def _destinations(socket: Netlink, family: int, service: Service) -> list[dict[str, Any]]:
    answers = socket.ask(messages.message(messages.GET_DEST, service.key), family, netlink.DUMP)
    family_of_servers = family_of(service.address)
    return [_destination(answer.get_attr("IPVS_CMD_ATTR_DEST"), family_of_servers) for answer in answers]


def _destination(dest: Any, family: Family) -> dict[str, Any]:
    def get(name: str) -> Any:
        return dest.get_attr(f"IPVS_DEST_ATTR_{name}")

    found = {
        "address": address_in(get("ADDR"), family),
        "port": get("PORT"),
        "forwarding": get("FWD_METHOD") & _METHOD,
        "weight": get("WEIGHT"),
    }
    tunnel = {"tunnel": get("TUN_TYPE"), "tunnel_port": get("TUN_PORT")}
    return {**found, **tunnel} if found["forwarding"] == TUNNEL else found
