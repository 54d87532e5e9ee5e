"""What IPVS is asked and answers over generic netlink: services at an address, and their real servers.

Source: include/uapi/linux/ip_vs.h of the kernel (family IPVS). pyroute2 has such messages as well, but in one module
with its socket.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from socket import IPPROTO_TCP
from typing import Any

from testbed.base.families import number_of
from testbed.net.codecs import genlmsg, nla

FAMILY = "IPVS"
NEW_SERVICE, GET_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 1, 4, 5, 6, 7, 8  # IPVS_CMD_*

Values = Mapping[str, Any]
"""Attributes by name, without the prefix that all of their kind have; addresses are bytes."""


class Message(genlmsg):  # type: ignore[misc]
    """A message of the family, with what a service and its servers are told by; addresses are bytes."""

    nla_map = (("IPVS_CMD_ATTR_UNSPEC", "none"), ("IPVS_CMD_ATTR_SERVICE", "service"), ("IPVS_CMD_ATTR_DEST", "dest"))

    class service(nla):  # type: ignore[misc]
        """A virtual service."""

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
            """IP_VS_SVC_F_*, and which of them are meant."""

            fields = (("flags", "I"), ("mask", "I"))

    class dest(nla):  # type: ignore[misc]
        """A real server."""

        nla_map = (
            ("IPVS_DEST_ATTR_UNSPEC", "none"),
            ("IPVS_DEST_ATTR_ADDR", "cdata"),
            ("IPVS_DEST_ATTR_PORT", "be16"),
            ("IPVS_DEST_ATTR_FWD_METHOD", "uint32"),
            ("IPVS_DEST_ATTR_WEIGHT", "uint32"),
            ("IPVS_DEST_ATTR_U_THRESH", "uint32"),
            ("IPVS_DEST_ATTR_L_THRESH", "uint32"),
            ("IPVS_DEST_ATTR_ACTIVE_CONNS", "uint32"),
            ("IPVS_DEST_ATTR_INACT_CONNS", "uint32"),
            ("IPVS_DEST_ATTR_PERSIST_CONNS", "uint32"),
            ("IPVS_DEST_ATTR_STATS", "none"),
            ("IPVS_DEST_ATTR_ADDR_FAMILY", "uint16"),
            ("IPVS_DEST_ATTR_STATS64", "stats"),
            ("IPVS_DEST_ATTR_TUN_TYPE", "uint8"),
            ("IPVS_DEST_ATTR_TUN_PORT", "be16"),
            ("IPVS_DEST_ATTR_TUN_FLAGS", "uint16"),
        )

        class stats(nla):  # type: ignore[misc]
            """What it has been sent, and has answered by the director, since it became a server of the service."""

            nla_map = (
                ("IPVS_STATS_ATTR_UNSPEC", "none"),
                ("IPVS_STATS_ATTR_CONNS", "uint64"),
                ("IPVS_STATS_ATTR_INPKTS", "uint64"),
                ("IPVS_STATS_ATTR_OUTPKTS", "uint64"),
                ("IPVS_STATS_ATTR_INBYTES", "uint64"),
                ("IPVS_STATS_ATTR_OUTBYTES", "uint64"),
            )


def service(address: str, port: int) -> dict[str, Any]:
    """What tells a service from others: it is for TCP, at this address."""
    packed = ipaddress.ip_address(address).packed
    return {"AF": number_of(address), "PROTOCOL": int(IPPROTO_TCP), "ADDR": packed, "PORT": port}


def destination(address: str, port: int) -> dict[str, Any]:
    """What tells a real server of a service from others."""
    return {"ADDR": ipaddress.ip_address(address).packed, "PORT": port}


def message(command: int, service: Values, destination: Values | None = None) -> Message:
    """A request about a service, or about one of its servers."""
    made = Message()
    made["cmd"], made["version"] = command, 1
    for part, prefix, values in (("SERVICE", "SVC", service), ("DEST", "DEST", destination)):
        if values is not None:
            attributes = [(f"IPVS_{prefix}_ATTR_{name}", value) for name, value in values.items()]
            made["attrs"].append((f"IPVS_CMD_ATTR_{part}", {"attrs": attributes}))
    return made
