"""Two sockets of the family `mptcp_pm`: one that sends commands, one that hears events."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import Self

from pyroute2.netlink import (
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_EXT_ACK,
    NETLINK_GENERIC,
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    SOL_NETLINK,
)
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket
from pyroute2.netlink.marshal import Marshal

from testbed.base.errors import PrerequisiteError, TestbedError
from testbed.net.mptcp_pm.events import Event, decode
from testbed.net.mptcp_pm.messages import EVENTS_GROUP, FAMILY, mptcp_msg

DEFAULT_RECEIVE_BUFFER_BYTES = 8 << 20
_MAX_DATAGRAM_BYTES = 1 << 16
_SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h


class CommandRefused(TestbedError):
    """The kernel refused a command: `code` is its errno, `reason` its words (empty if it gave none)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{errno.errorcode.get(code, code)}: {reason or os.strerror(code)}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Family:
    """The family in this kernel: its id, which is the type of its messages, and its multicast groups' ids."""

    id: int
    groups: dict[str, int]


def find_family() -> Family:
    """Ask the kernel for the family; raises `PrerequisiteError` if it has none."""
    with GenericNetlinkSocket() as control:
        control.asyncore.module_err_level = "debug"  # else it logs what is raised here
        try:
            control.bind(FAMILY, mptcp_msg)
        except NetlinkError as error:
            raise PrerequisiteError(
                f"this kernel has no netlink family {FAMILY}: {os.strerror(error.code)}",
                hint="a path manager in user space needs Linux 5.19 with CONFIG_MPTCP",
            ) from error
        return Family(int(control.prid), dict(control.mcast_groups))


class _Socket:
    """A plain netlink socket: pyroute2's own, on asyncio, takes twice the CPU time, and ends at an ENOBUFS."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self._socket.bind((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class CommandSocket(_Socket):
    """Sends commands and waits for the kernel's verdict on each; a context manager."""

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._marshal = Marshal()
        self._marshal.msg_map = {family.id: mptcp_msg}
        self._sequence = 0

    def send(self, message: mptcp_msg) -> None:
        """Send one command; raises `CommandRefused` if the kernel does not do it."""
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        message["header"].update(
            type=self._family.id, flags=NLM_F_REQUEST | NLM_F_ACK, sequence_number=self._sequence, pid=0
        )
        message.encode()
        self._socket.send(message.data)
        while not self._is_verdict(self._socket.recv(_MAX_DATAGRAM_BYTES)):
            pass

    def _is_verdict(self, data: bytes) -> bool:
        for answer in self._marshal.parse(data):
            if answer["header"]["sequence_number"] == self._sequence and answer["header"]["type"] == NLMSG_ERROR:
                if answer["error"]:
                    raise CommandRefused(-answer["error"], answer.get_attr("NLMSGERR_ATTR_MSG") or "")
                return True
        return False


@dataclass(frozen=True)
class Batch:
    """What was read at once.

    `events` holds the numbers of events of unknown types as well. `overrun`: the kernel dropped events
    before or between these. `drained`: nothing is left to read.
    """

    events: tuple[Event | int, ...]
    overrun: bool
    drained: bool


class EventSocket(_Socket):
    """Hears the family's events in this network namespace; a context manager.

    As long as it is open, the kernel lets the connections that user space manages have more subflows.
    Raises `PrerequisiteError` without the capability CAP_NET_ADMIN.
    """

    def __init__(self, family: Family, receive_buffer_bytes: int = DEFAULT_RECEIVE_BUFFER_BYTES) -> None:
        if EVENTS_GROUP not in family.groups:
            raise PrerequisiteError(f"this kernel's {FAMILY} has no events", hint="it needs Linux 5.12 or later")
        super().__init__(family)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer_bytes)
        except PermissionError:  # root of a user namespace: as large as net.core.rmem_max lets it be
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, family.groups[EVENTS_GROUP])
        except PermissionError as error:
            self._socket.close()
            raise PrerequisiteError(
                "the events of MPTCP are for those with the capability CAP_NET_ADMIN only", hint="run it as root"
            ) from error
        self._socket.setblocking(False)

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
