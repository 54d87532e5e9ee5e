"""A netlink socket: requests to the kernel, its answers, its verdict on each.

Plain, and one request at a time: what a topology's set-up asks for is a dozen of messages. They are pyroute2's
(`testbed.net.codecs`). Sources: include/uapi/linux/netlink.h and genetlink.h, Documentation/userspace-api/netlink.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from testbed.base.errors import TestbedError
from testbed.net.codecs import ctrlmsg, nlmsgerr

ROUTE, GENERIC = 0, 16  # NETLINK_ROUTE, NETLINK_GENERIC
REPLACE, EXCLUSIVE, CREATE, DUMP = 0x100, 0x200, 0x400, 0x300  # NLM_F_*

_REQUEST, _ACKNOWLEDGE, _INTERRUPTED = 1, 4, 0x10
_ERROR, _DONE = 2, 3  # NLMSG_*
_SOL_NETLINK, _EXTENDED_ERRORS = 270, 11
_CONTROL, _GET_FAMILY = 16, 3  # GENL_ID_CTRL, CTRL_CMD_GETFAMILY
_LARGEST = 1 << 16
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, sender


class Refused(TestbedError):
    """The kernel refused a request: `code` is its errno, `reason` its words (empty if it gave none)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{errno.errorcode.get(code, code)}: {reason or os.strerror(code)}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Family:
    """A family of generic netlink in this kernel: its id, the type of its messages, and its multicast groups' ids."""

    id: int
    groups: Mapping[str, int]


class Netlink:
    """A socket for one protocol (`ROUTE`, `GENERIC`) in the namespace where it is opened; a context manager."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _EXTENDED_ERRORS, 1)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, message: Any, kind: int, flags: int = 0) -> list[Any]:
        """Send a request of type `kind`, and wait for the kernel's verdict; its answers, in the message's own class.

        `flags` are those beside the ones that every request has; with `DUMP` all of a table is answered. Raises
        `Refused`.
        """
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        wanted = _REQUEST | flags | (0 if flags & DUMP == DUMP else _ACKNOWLEDGE)
        message["header"].update(type=kind, flags=wanted, sequence_number=self._sequence, pid=0)
        message.encode()
        self._socket.send(message.data)
        answers: list[Any] = []
        while not self._take(self._socket.recv(_LARGEST), type(message), answers):
            pass
        return answers

    def family(self, name: str) -> Family:
        """A family of generic netlink; raises `Refused` (ENOENT) if the kernel has none of that name."""
        message = ctrlmsg()
        message["cmd"], message["version"] = _GET_FAMILY, 1
        message["attrs"] = [("CTRL_ATTR_FAMILY_NAME", name)]
        (found,) = self.ask(message, _CONTROL)
        groups = found.get_attr("CTRL_ATTR_MCAST_GROUPS") or ()
        names = {each.get_attr("CTRL_ATTR_MCAST_GRP_NAME"): each.get_attr("CTRL_ATTR_MCAST_GRP_ID") for each in groups}
        return Family(int(found.get_attr("CTRL_ATTR_FAMILY_ID")), names)

    def _take(self, data: bytes, form: type[Any], answers: list[Any]) -> bool:
        """Add what a datagram answers to `answers`; whether the verdict is in it."""
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
            if sequence == self._sequence:
                if flags & _INTERRUPTED:
                    raise Refused(errno.EINTR, "what was asked for has changed meanwhile")
                if kind in (_ERROR, _DONE):
                    _judge(data, offset)
                    return True
                answer = form(data, offset=offset)
                answer.decode()
                answers.append(answer)
            offset += max(_HEADER.size, (length + 3) & ~3)
        return False


def _judge(data: bytes, offset: int) -> None:
    """Raise `Refused` for a verdict that is none of success; the end of a dump has its status in the same place."""
    code = -struct.unpack_from("=i", data, offset + _HEADER.size)[0]
    if code <= 0:
        return
    verdict = nlmsgerr(data, offset=offset)
    verdict.decode()
    raise Refused(code, verdict.get_attr("NLMSGERR_ATTR_MSG") or "")
