"""Two sockets of the family `mptcp_pm`: one that sends commands, one that hears events."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import Self

from testbed.base.errors import PrerequisiteError
from testbed.net import netlink
from testbed.net.mptcp_pm.events import Event, decode
from testbed.net.mptcp_pm.messages import EVENTS_GROUP, FAMILY, mptcp_msg
from testbed.net.netlink import Family, Netlink

_MAX_DATAGRAM_BYTES = 1 << 16
_SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1


def find_family() -> Family:
    """Ask the kernel for the family; raises `PrerequisiteError` if it has none."""
    with Netlink(netlink.GENERIC) as control:
        try:
            return control.family(FAMILY)
        except netlink.Refused as error:
            raise PrerequisiteError(
                f"this kernel has no netlink family {FAMILY}: {os.strerror(error.code)}",
                hint="a path manager in user space needs Linux 5.19 with CONFIG_MPTCP",
            ) from error


class CommandSocket(Netlink):
    """Sends commands and waits for the kernel's verdict on each; a context manager."""

    def __init__(self, family: Family) -> None:
        super().__init__(netlink.GENERIC)
        self._family = family

    def send(self, message: mptcp_msg) -> None:
        """Send one command; raises `netlink.Refused` if the kernel does not do it."""
        self.ask(message, self._family.id)


@dataclass(frozen=True)
class Batch:
    """What was read at once.

    `events` holds the numbers of events of unknown types as well. `overrun`: the kernel dropped events
    before or between these. `drained`: nothing is left to read.
    """

    events: tuple[Event | int, ...]
    overrun: bool
    drained: bool


class EventSocket:
    """Hears the family's events in this network namespace; a context manager.

    As long as it is open, the kernel lets the connections that user space manages have more subflows.
    Raises `PrerequisiteError` without the capability CAP_NET_ADMIN.
    """

    def __init__(self, family: Family, receive_buffer_bytes: int) -> None:
        if EVENTS_GROUP not in family.groups:
            raise PrerequisiteError(f"this kernel's {FAMILY} has no events", hint="it needs Linux 5.12 or later")
        self._family = family
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.GENERIC)
        self._socket.bind((0, 0))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer_bytes)
        except PermissionError:  # root of a user namespace: as large as net.core.rmem_max lets it be
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, family.groups[EVENTS_GROUP])
        except PermissionError as error:
            self._socket.close()
            raise PrerequisiteError(
                "the events of MPTCP are for those with the capability CAP_NET_ADMIN only", hint="run it as root"
            ) from error
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def receive_buffer_bytes(self) -> int:
        """The buffer as the kernel counts it: twice what was asked for, its own overhead included."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def fileno(self) -> int:
        """For `select`: readable when there are events, or some were lost."""
        return self._socket.fileno()

    def read(self, limit: int = 256) -> Batch:
        """Read what has come, up to `limit` datagrams, without waiting."""
        events: list[Event | int] = []
        overrun = False
        for _ in range(limit):
            try:
                data, (sender, _groups) = self._socket.recvfrom(_MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return Batch(tuple(events), overrun, True)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                overrun = True
                continue
            if sender == 0:  # the kernel
                events.extend(decode(data, self._family.id))
        return Batch(tuple(events), overrun, False)
