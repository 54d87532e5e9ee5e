"""The commands of a path manager in user space, as netlink messages (net/mptcp/pm_userspace.c).

Each names its connection by the local token. The kernel refuses them all with EINVAL when it does
not know the token (any more).
"""

from __future__ import annotations

import socket
from typing import Any

from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.messages import (
    FLAG_BACKUP,
    FLAG_SIGNAL,
    FLAG_SUBFLOW,
    VERSION,
    Cmd,
    mptcp_msg,
)


def announce(token: int, address: SocketAddress, address_id: int) -> mptcp_msg:
    """Send an ADD_ADDR with this address; given again, send it again and let its timer start anew.

    `address_id` is 1 to 255: 0 is the initial subflow's. With a port, an MPTCP listener must be bound to exactly
    this address and port, not to a wildcard: else the kernel refuses the join (MIB `MismatchPortSynRx`).
    """
    return _command(Cmd.ANNOUNCE, token, ("ADDR", _address(address, address_id=address_id, flags=FLAG_SIGNAL)))


def remove(token: int, address_id: int) -> mptcp_msg:
    """Send a RM_ADDR for the id; 0 is the initial subflow's local address."""
    return _command(Cmd.REMOVE, token, ("LOC_ID", address_id))


def subflow_create(
    token: int, local: SocketAddress, remote: SocketAddress, address_id: int, *, backup: bool = False
) -> mptcp_msg:
    """Join from `local` (port 0: any) to `remote`."""
    flags = FLAG_SUBFLOW | (FLAG_BACKUP if backup else 0)
    return _command(
        Cmd.SUBFLOW_CREATE,
        token,
        ("ADDR", _address(local, address_id=address_id, flags=flags)),
        ("ADDR_REMOTE", _address(remote)),
    )


def subflow_destroy(token: int, local: SocketAddress, remote: SocketAddress) -> mptcp_msg:
    """Close the subflow with a FIN, without a RM_ADDR; the kernel answers ESRCH if there is none.

    Both ports are needed, and the addresses as the subflow's socket has them.
    """
    return _command(Cmd.SUBFLOW_DESTROY, token, ("ADDR", _address(local)), ("ADDR_REMOTE", _address(remote)))


def set_backup(token: int, local: SocketAddress, remote: SocketAddress, *, backup: bool = True) -> mptcp_msg:
    """Send an MP_PRIO on the subflow and remember its priority; EINVAL if there is no such subflow.

    The kernel asks for both addresses, with their families.
    """
    flags = FLAG_BACKUP if backup else 0
    return _command(Cmd.SET_FLAGS, token, ("ADDR", _address(local, flags=flags)), ("ADDR_REMOTE", _address(remote)))


def _command(command: Cmd, token: int, *attributes: tuple[str, Any]) -> mptcp_msg:
    message = mptcp_msg()
    message["cmd"] = int(command)
    message["version"] = VERSION
    message["attrs"] = [(mptcp_msg.name2nla(name), value) for name, value in (("TOKEN", token), *attributes)]
    return message


def _address(address: SocketAddress, *, address_id: int | None = None, flags: int | None = None) -> dict[str, Any]:
    ipv6 = address.family == socket.AF_INET6
    values: dict[str, Any] = {"FAMILY": int(address.family), "ADDR6" if ipv6 else "ADDR4": address.host}
    if address_id is not None:
        values["ID"] = address_id
    if address.port:
        values["PORT"] = address.port
    if flags is not None:
        values["FLAGS"] = flags
    return {"attrs": [(mptcp_msg.nested_address.name2nla(name), value) for name, value in values.items()]}
