"""MPTCP of a server and of a client: sysctls, limits and endpoints of the in-kernel path manager.

The paper on today's kernel (6.12): its B flag is RFC 8684's C flag (`allow_join_initial_addr_port=0`),
its E bit the ADD_ADDR echo; a `signal` endpoint announces the unique address, a `backup` endpoint on
the local address of the initial subflow makes that subflow a backup. Source: net/mptcp/pm_kernel.c.

What upstream lacks comes from the patches in `kernel-patches/`, each behind a sysctl that is off by default.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from testbed.base.errors import PrerequisiteError, ReadbackError
from testbed.base.families import Family, family_of, number_of
from testbed.base.needs import PATCHED, Call, Need, kernel, program
from testbed.base.needs import sysctl as sysctl_need
from testbed.net import netlink, sysctl
from testbed.net.mptcp_pm.messages import FAMILY, VERSION, Cmd, mptcp_msg
from testbed.net.mptcp_settings import PATCHED_SYSCTLS, Mptcp
from testbed.net.netlink import Netlink
from testbed.net.netns import Node, generic_socket

SIGNAL, SUBFLOW, BACKUP, FULLMESH = 1, 2, 4, 8  # MPTCP_PM_ADDR_FLAG_*, include/uapi/linux/mptcp_pm.h

_ENDPOINT_FLAGS = {"none": 0, "subflow": SUBFLOW, "fullmesh": SUBFLOW | FULLMESH}
_ADDRESS: Mapping[Family, str] = {"ipv4": "ADDR4", "ipv6": "ADDR6"}
_IPPROTO_MPTCP = 262

NEEDS = frozenset(
    {
        kernel("MPTCP", "CONFIG_MPTCP", purpose="the protocol", probe=(Call(function="testbed.net.mptcp:probe"),)),
        program("mptcpize", package="mptcpize", purpose="programs that speak MPTCP"),
        *(sysctl_need(name, purpose="settings of MPTCP") for name in Mptcp().server_sysctls),
    }
)
"""What every point over MPTCP needs."""

OVER_IPV6 = kernel(
    "MPTCP over IPv6",
    "CONFIG_MPTCP_IPV6",
    purpose="addresses of the family",
    probe=(Call(function="testbed.net.mptcp:probe", arguments=("::1",)),),
)
"""What every point over MPTCP needs that has IPv6 addresses."""

PORT_OVER_IPV6 = Need(
    name="MPTCP that announces a port over IPv6",
    purpose="an ADD_ADDR of 32 bytes, which has no room beside timestamps",
    probe=(("test", "-e", "/proc/sys/net/mptcp/add_addr_v6_port_drop_ts"),),
    cure="Linux 7.3 leaves the timestamps out: run --kernel 7.3",
)
"""What is needed besides where servers announce IPv6 addresses with a port of their own."""

PATCHED_NEEDS = frozenset(sysctl_need(name, "a setting of our patches", PATCHED) for name in PATCHED_SYSCTLS)
"""What settings need that upstream lacks."""


def needs_of(settings: Mptcp) -> frozenset[Need]:
    """What a point with these settings needs."""
    patched = {*settings.patched_server_sysctls, *settings.patched_client_sysctls}
    return NEEDS | {need for need in PATCHED_NEEDS if need.sysctl in patched}


def probe(address: str = "127.0.0.1") -> None:
    """Connect over MPTCP to oneself."""
    family = number_of(address)
    with socket.socket(family, socket.SOCK_STREAM, _IPPROTO_MPTCP) as listener:
        listener.bind((address, 0))
        listener.listen()
        with socket.socket(family, socket.SOCK_STREAM, _IPPROTO_MPTCP) as client:
            client.connect(listener.getsockname())


def configure_server(
    server: Node, settings: Mptcp, *, local: str, unique: str, port: int = 0, further_locals: Sequence[str] = ()
) -> dict[str, Any]:
    """The server's side of the paper: C flag, unique address announced, initial subflow a backup.

    With a `port` that is announced as well, and the kernel listens there, for joins only. `local` is the address that
    the server's socket sees for the initial subflow: the real server's behind a translating director, the anycast
    address otherwise; behind several directors it may have `further_locals` as well. Unless the kernel is the path
    manager, there are no endpoints: a daemon in user space does the rest, and no join is let in before it runs.
    Where no setting needs a patch of `kernel-patches/`, no sysctl of one is touched, so that any kernel will do.
    Raises `PrerequisiteError` if the kernel lacks one of them, `ReadbackError`.
    """
    _require(server, settings.patched_server_sysctls)
    found = sysctl.put(server, {**settings.server_sysctls, **settings.patched_server_sysctls})
    wanted = {(unique, port): SIGNAL} if settings.in_kernel and settings.add_addr else {}
    if settings.in_kernel and settings.initial_backup:
        wanted |= {(address, 0): BACKUP for address in (local, *further_locals)}
    return {"sysctl": found, "endpoints": _put_endpoints(server, wanted)}


def configure_client(client: Node, settings: Mptcp, *, second_address: str = "") -> dict[str, Any]:
    """A client as in the paper: it opens a subflow to each address it is told of.

    With an endpoint of its own it has one more address for subflows, `second_address`. Raises `PrerequisiteError` if
    the kernel lacks a patch that a setting needs, `ReadbackError`.
    """
    _require(client, settings.patched_client_sysctls)
    found = sysctl.put(client, {**settings.client_sysctls, **settings.patched_client_sysctls})
    wanted = {"subflows": settings.subflows, "add_addr_accepted": settings.add_addr_accepted}
    with generic_socket(client) as path_manager:
        family = path_manager.family(FAMILY).id
        limits = _message(Cmd.SET_LIMITS)
        limits["attrs"] = [
            ("MPTCP_PM_ATTR_SUBFLOWS", settings.subflows),
            ("MPTCP_PM_ATTR_RCV_ADD_ADDRS", settings.add_addr_accepted),
        ]
        path_manager.ask(limits, family)
        (limits,) = path_manager.ask(_message(Cmd.GET_LIMITS), family)
    limited = {
        "subflows": limits.get_attr("MPTCP_PM_ATTR_SUBFLOWS"),
        "add_addr_accepted": limits.get_attr("MPTCP_PM_ATTR_RCV_ADD_ADDRS"),
    }
    if limited != wanted:
        raise ReadbackError(f"MPTCP limits of {client.name}", wanted, limited)
    flags = _ENDPOINT_FLAGS[settings.client_endpoint]
    endpoints = _put_endpoints(client, {(second_address, 0): flags} if flags else {})
    return {"sysctl": found, "limits": limited, "endpoints": endpoints}


def _put_endpoints(node: Node, wanted: Mapping[tuple[str, int], int]) -> dict[str, int]:
    """Endpoints by address and port (0: none), with their flags; returns what reads back, as `address:port`."""
    with generic_socket(node) as path_manager:
        family = path_manager.family(FAMILY).id
        for identifier, ((address, port), flags) in enumerate(wanted.items(), start=1):
            endpoint = _message(Cmd.ADD_ADDR)
            own_port = [("MPTCP_PM_ADDR_ATTR_PORT", port)] if port else []
            attributes = [*_endpoint(address, identifier, flags), *own_port]
            endpoint["attrs"] = [("MPTCP_PM_ATTR_ADDR", {"attrs": attributes})]
            path_manager.ask(endpoint, family)
        found = _endpoints(path_manager, family)
    named = {_shown(address, port): flags for (address, port), flags in wanted.items()}
    if found != named:
        raise ReadbackError(f"MPTCP endpoints of {node.name}", named, found)
    return found


def _require(node: Node, names: Iterable[str]) -> None:
    for name in names:
        if not sysctl.exists(node, name):
            raise PrerequisiteError(
                f"this kernel ({platform.release()}) is unpatched: it has no sysctl {name}, asked for on {node.name}",
                hint="'testbed kernel build' makes a kernel with the patches of kernel-patches/",
            )


def _message(command: Cmd) -> Any:
    message = mptcp_msg()
    message["cmd"], message["version"] = int(command), VERSION
    return message


def _endpoint(address: str, identifier: int, flags: int) -> list[tuple[str, Any]]:
    values = {"FAMILY": number_of(address), _ADDRESS[family_of(address)]: address, "ID": identifier, "FLAGS": flags}
    return [(f"MPTCP_PM_ADDR_ATTR_{name}", value) for name, value in values.items()]


def _endpoints(path_manager: Netlink, family: int) -> dict[str, int]:
    found = {}
    for message in path_manager.ask(_message(Cmd.GET_ADDR), family, netlink.DUMP):
        address = message.get_attr("MPTCP_PM_ATTR_ADDR")
        (host,) = filter(None, (address.get_attr(f"MPTCP_PM_ADDR_ATTR_{name}") for name in _ADDRESS.values()))
        name = _shown(host, address.get_attr("MPTCP_PM_ADDR_ATTR_PORT") or 0)
        found[name] = address.get_attr("MPTCP_PM_ADDR_ATTR_FLAGS")
    return found


def _shown(address: str, port: int) -> str:
    return f"{address}:{port}" if port else address
