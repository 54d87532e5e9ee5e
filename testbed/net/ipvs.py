"""LVS on the director: a virtual service that translates addresses (NAT), its servers, read back.

Source: net/netfilter/ipvs and include/uapi/linux/ip_vs.h of the kernel (generic netlink family IPVS).
"""

from __future__ import annotations

import ipaddress
from socket import AF_INET, IPPROTO_TCP
from typing import Any

from testbed.base.errors import ReadbackError
from testbed.base.needs import Call, kernel
from testbed.net import netlink, sysctl
from testbed.net.codecs import genlmsg, nla
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

_FAMILY = "IPVS"
_NEW_SERVICE, _NEW_DEST, _DEL_DEST, _GET_DEST = 1, 5, 7, 8  # IPVS_CMD_*
_MASQUERADE = 0  # IP_VS_CONN_F_MASQ
_ONE = 0xFFFFFFFF
"""The netmask of a service at one address."""


def probe() -> None:
    """Offer a service, where it is thrown away."""
    serve(here(), "10.255.1.1", 80, ["10.255.2.1"])


def serve(director: Node, vip: str, port: int, servers: list[str], *, scheduler: str = "rr") -> list[dict[str, Any]]:
    """Offer `vip:port` over TCP, spread over `servers` (addresses) by NAT; returns the servers read back."""
    sysctl.put(director, {"net.ipv4.ip_forward": 1})
    with generic_socket(director) as socket:
        family = socket.family(_FAMILY).id
        key = _service(vip, port)
        whole = {**key, "SCHED_NAME": scheduler, "FLAGS": {"flags": 0, "mask": 0xFFFF}, "TIMEOUT": 0, "NETMASK": _ONE}
        socket.ask(_message(_NEW_SERVICE, whole), family)
        for address in servers:
            socket.ask(_message(_NEW_DEST, key, _new_destination(address, port)), family)
        return _read_back(socket, family, director, vip, port, servers)


def set_servers(director: Node, vip: str, port: int, servers: list[str]) -> list[dict[str, Any]]:
    """Remove and add servers of a service until it has just these; returns them read back.

    IPVS forgets the connections of a server that is removed: what comes in them is dropped, or reset, from then on.
    """
    with generic_socket(director) as socket:
        family = socket.family(_FAMILY).id
        key = _service(vip, port)
        present = [each["address"] for each in _destinations(socket, family, key)]
        for address in set(present) - set(servers):
            socket.ask(_message(_DEL_DEST, key, _destination(address, port)), family)
        for address in [each for each in servers if each not in present]:
            socket.ask(_message(_NEW_DEST, key, _new_destination(address, port)), family)
        return _read_back(socket, family, director, vip, port, servers)


class _Message(genlmsg):  # type: ignore[misc]
    """A message of the family, with what a service for IPv4 and its servers are told by; addresses are bytes.

    pyroute2 has one as well, but in one module with its socket.
    """

    nla_map = (("IPVS_CMD_ATTR_UNSPEC", "none"), ("IPVS_CMD_ATTR_SERVICE", "service"), ("IPVS_CMD_ATTR_DEST", "dest"))

    class service(nla):  # type: ignore[misc]
        nla_map = (
            ("IPVS_SVC_ATTR_UNSPEC", "none"),
            ("IPVS_SVC_ATTR_AF", "uint16"),
            ("IPVS_SVC_ATTR_PROTOCOL", "uint16"),
            ("IPVS_SVC_ATTR_ADDR", "cdata"),
            ("IPVS_SVC_ATTR_PORT", "be16"),
            ("IPVS_SVC_ATTR_FWMARK", "uint32"),
            ("IPVS_SVC_ATTR_SCHED_NAME", "asciiz"),
            ("IPVS_SVC_ATTR_FLAGS", "flags"),
            ("IPVS_SVC_ATTR_TIMEOUT", "uint32"),
            ("IPVS_SVC_ATTR_NETMASK", "uint32"),
        )

        class flags(nla):  # type: ignore[misc]
            fields = (("flags", "I"), ("mask", "I"))

    class dest(nla):  # type: ignore[misc]
        nla_map = (
            ("IPVS_DEST_ATTR_UNSPEC", "none"),
            ("IPVS_DEST_ATTR_ADDR", "cdata"),
            ("IPVS_DEST_ATTR_PORT", "be16"),
            ("IPVS_DEST_ATTR_FWD_METHOD", "uint32"),
            ("IPVS_DEST_ATTR_WEIGHT", "uint32"),
            ("IPVS_DEST_ATTR_U_THRESH", "uint32"),
            ("IPVS_DEST_ATTR_L_THRESH", "uint32"),
        )


def _service(vip: str, port: int) -> dict[str, Any]:
    address = ipaddress.IPv4Address(vip).packed
    return {"AF": int(AF_INET), "PROTOCOL": int(IPPROTO_TCP), "ADDR": address, "PORT": port}


def _destination(address: str, port: int) -> dict[str, Any]:
    return {"ADDR": ipaddress.IPv4Address(address).packed, "PORT": port}


def _new_destination(address: str, port: int) -> dict[str, Any]:
    limits = {"U_THRESH": 0, "L_THRESH": 0}  # of connections: none
    return {**_destination(address, port), "FWD_METHOD": _MASQUERADE, "WEIGHT": 1, **limits}


def _message(command: int, service: dict[str, Any], destination: dict[str, Any] | None = None) -> Any:
    message = _Message()
    message["cmd"], message["version"] = command, 1
    for part, prefix, values in (("SERVICE", "SVC", service), ("DEST", "DEST", destination)):
        if values is not None:
            attributes = [(f"IPVS_{prefix}_ATTR_{name}", value) for name, value in values.items()]
            message["attrs"].append((f"IPVS_CMD_ATTR_{part}", {"attrs": attributes}))
    return message


def _read_back(
    socket: Netlink, family: int, director: Node, vip: str, port: int, servers: list[str]
) -> list[dict[str, Any]]:
    found = _destinations(socket, family, _service(vip, port))
    wanted = sorted((address, port, _MASQUERADE) for address in servers)
    if sorted((d["address"], d["port"], d["forwarding"]) for d in found) != wanted:
        raise ReadbackError(f"IPVS service {vip}:{port} on {director.name}", wanted, found)
    return found


def _destinations(socket: Netlink, family: int, service: dict[str, Any]) -> list[dict[str, Any]]:
    answers = socket.ask(_message(_GET_DEST, service), family, netlink.DUMP)
    found = [answer.get_attr("IPVS_CMD_ATTR_DEST") for answer in answers]
    return [
        {
            # Sixteen bytes, whatever the family.
            "address": str(ipaddress.IPv4Address(dest.get_attr("IPVS_DEST_ATTR_ADDR")[:4])),
            "port": dest.get_attr("IPVS_DEST_ATTR_PORT"),
            "forwarding": dest.get_attr("IPVS_DEST_ATTR_FWD_METHOD") & 0x7,
            "weight": dest.get_attr("IPVS_DEST_ATTR_WEIGHT"),
        }
        for dest in found
    ]
