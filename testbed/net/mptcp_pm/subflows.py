"""Every MPTCP subflow of a network namespace, by inet_diag: what a path manager asks when it missed events.

The kernel describes a subflow in the ULP part of its TCP socket (net/mptcp/diag.c).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import NETLINK_SOCK_DIAG, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, nla
from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY, SS_ESTABLISHED, inet_diag_msg, inet_diag_req
from pyroute2.netlink.marshal import Marshal

from testbed.base.errors import TestbedError
from testbed.net.mptcp_pm.addresses import SocketAddress

_CAPABLE_REMOTE, _CAPABLE_LOCAL, _JOIN_REMOTE, _JOIN_LOCAL = 0x1, 0x2, 0x4, 0x8  # MPTCP_SUBFLOW_FLAG_*
_BACKUP_LOCAL, _FULLY_ESTABLISHED = 0x20, 0x40
_INET_DIAG_INFO = 2  # include/uapi/linux/inet_diag.h
_MAX_DATAGRAM_BYTES = 1 << 16


class mptcp_diag_msg(inet_diag_msg):  # type: ignore[misc]
    """pyroute2's message of inet_diag, with what the ULP `mptcp` says of its subflow."""

    prefix = "INET_DIAG_"
    nla_map = tuple(
        (name, "ulp_info" if name == "INET_DIAG_ULP_INFO" else kind) for name, kind in inet_diag_msg.nla_map
    )

    class ulp_info(nla):  # type: ignore[misc]
        """INET_ULP_INFO_*: the name of the protocol on top of TCP, and its part."""

        prefix = "INET_ULP_INFO_"
        nla_map = (
            ("INET_ULP_INFO_UNSPEC", "none"),
            ("INET_ULP_INFO_NAME", "asciiz"),
            ("INET_ULP_INFO_TLS", "hex"),
            ("INET_ULP_INFO_MPTCP", "subflow"),
        )

        class subflow(nla):  # type: ignore[misc]
            """MPTCP_SUBFLOW_ATTR_*."""

            prefix = "MPTCP_SUBFLOW_ATTR_"
            nla_map = (
                ("MPTCP_SUBFLOW_ATTR_UNSPEC", "none"),
                ("MPTCP_SUBFLOW_ATTR_TOKEN_REM", "uint32"),
                ("MPTCP_SUBFLOW_ATTR_TOKEN_LOC", "uint32"),
                ("MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ", "uint32"),
                ("MPTCP_SUBFLOW_ATTR_MAP_SEQ", "uint64"),
                ("MPTCP_SUBFLOW_ATTR_MAP_SFSEQ", "uint32"),
                ("MPTCP_SUBFLOW_ATTR_SSN_OFFSET", "uint32"),
                ("MPTCP_SUBFLOW_ATTR_MAP_DATALEN", "uint16"),
                ("MPTCP_SUBFLOW_ATTR_FLAGS", "uint32"),
                ("MPTCP_SUBFLOW_ATTR_ID_REM", "uint8"),
                ("MPTCP_SUBFLOW_ATTR_ID_LOC", "uint8"),
                ("MPTCP_SUBFLOW_ATTR_PAD", "hex"),
            )


@dataclass(frozen=True)
class Subflow:
    """An established TCP connection that belongs to the MPTCP connection of this local token.

    `initial`: opened with MP_CAPABLE, not with MP_JOIN. `server_side`: the peer opened it. `backup`: we
    asked the peer to use it as one. `fully_established`: more subflows may be opened.
    """

    token: int
    local: SocketAddress
    remote: SocketAddress
    initial: bool
    server_side: bool
    backup: bool
    fully_established: bool


def established() -> list[Subflow]:
    """The established subflows of this process's network namespace (needs CAP_NET_ADMIN).

    Raises `TestbedError` if the kernel cannot tell: inet_diag or tcp_diag is missing.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        return [subflow for family in (socket.AF_INET, socket.AF_INET6) for subflow in _dump(diag, family)]


def decode(data: bytes) -> tuple[list[Subflow], bool]:
    """The subflows among the sockets of a datagram, and whether the kernel's list ends with it.

    Raises `TestbedError` if the kernel answers with an error.
    """
    marshal = Marshal()
    marshal.msg_map = {SOCK_DIAG_BY_FAMILY: mptcp_diag_msg}
    found: list[Subflow] = []
    try:
        messages = list(marshal.parse(data))
    except struct.error as error:
        raise TestbedError(f"inet_diag of TCP: a message that is cut: {error}") from error
    for message in messages:
        if message["header"]["type"] == NLMSG_ERROR:
            raise TestbedError(f"inet_diag of TCP: {os.strerror(-message['error'])}")
        if message["header"]["type"] == NLMSG_DONE:
            return found, True
        found += _subflow(message)
    return found, False


def _dump(diag: socket.socket, family: int) -> Iterator[Subflow]:
    request = inet_diag_req()
    request["header"].update(type=SOCK_DIAG_BY_FAMILY, flags=NLM_F_REQUEST | NLM_F_DUMP, sequence_number=family, pid=0)
    request["sdiag_family"] = family
    request["sdiag_protocol"] = socket.IPPROTO_TCP
    request["idiag_ext"] = 1 << (_INET_DIAG_INFO - 1)  # the kernel tells of the ULP to those who ask for this
    request["idiag_states"] = 1 << SS_ESTABLISHED
    request.encode()
    diag.send(request.data)
    complete = False
    while not complete:
        found, complete = decode(diag.recv(_MAX_DATAGRAM_BYTES))
        yield from found


def _subflow(message: Any) -> Iterator[Subflow]:
    ulp: Any = message.get_attr("INET_DIAG_ULP_INFO")
    mptcp: Any = ulp.get_attr("INET_ULP_INFO_MPTCP") if hasattr(ulp, "get_attr") else None
    if not hasattr(mptcp, "get_attr"):
        return  # no MPTCP socket; or one of a form that pyroute2 does not know, which it hands on as bytes
    flags = mptcp.get_attr("MPTCP_SUBFLOW_ATTR_FLAGS")
    token = mptcp.get_attr("MPTCP_SUBFLOW_ATTR_TOKEN_LOC")
    if flags is None or token is None:
        return  # of no use without them
    if not flags & (_CAPABLE_REMOTE | _JOIN_REMOTE | _JOIN_LOCAL):
        return  # fallen back to TCP
    yield Subflow(
        token=token,
        local=SocketAddress(message["idiag_src"], message["idiag_sport"]),
        remote=SocketAddress(message["idiag_dst"], message["idiag_dport"]),
        initial=not flags & (_JOIN_REMOTE | _JOIN_LOCAL),
        server_side=not flags & (_CAPABLE_LOCAL | _JOIN_LOCAL),
        backup=bool(flags & _BACKUP_LOCAL),
        fully_established=bool(flags & _FULLY_ESTABLISHED),
    )
