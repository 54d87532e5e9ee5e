"""pyroute2 message classes of the family `mptcp_pm`: `mptcp_msg` for commands, `mptcp_event_msg` for events.

The ids of commands and of events overlap, and their attributes are other ones: a message of the
family says nothing about which it is, so each needs a socket of its own. Byte orders differ as well:
in an address of a command the port is in host order, in an event source and destination port are in
network order. Addresses are in network order everywhere, all else is in host order.

pyroute2 (0.9.7) itself has the endpoints and limits of the in-kernel path manager only.
"""

from __future__ import annotations

from enum import IntEnum

from testbed.net.codecs import genlmsg, nla

FAMILY = "mptcp_pm"
VERSION = 1
EVENTS_GROUP = "mptcp_pm_events"

FLAG_SIGNAL, FLAG_SUBFLOW, FLAG_BACKUP, FLAG_FULLMESH = 1, 2, 4, 8  # MPTCP_PM_ADDR_FLAG_*
EVENT_FLAG_DENY_JOIN_ID0, EVENT_FLAG_SERVER_SIDE = 1, 2  # MPTCP_PM_EV_FLAG_*; the second since Linux 6.18


class Cmd(IntEnum):
    """The family's commands (MPTCP_PM_CMD_*)."""

    ADD_ADDR = 1
    DEL_ADDR = 2
    GET_ADDR = 3
    FLUSH_ADDRS = 4
    SET_LIMITS = 5
    GET_LIMITS = 6
    SET_FLAGS = 7
    ANNOUNCE = 8
    REMOVE = 9
    SUBFLOW_CREATE = 10
    SUBFLOW_DESTROY = 11


class EventType(IntEnum):
    """The family's events (MPTCP_EVENT_*)."""

    CREATED = 1
    ESTABLISHED = 2
    CLOSED = 3
    ANNOUNCED = 6
    REMOVED = 7
    SUB_ESTABLISHED = 10
    SUB_CLOSED = 11
    SUB_PRIORITY = 13
    LISTENER_CREATED = 15
    LISTENER_CLOSED = 16


class mptcp_msg(genlmsg):  # type: ignore[misc]
    """A command, or the kernel's answer to one."""

    prefix = "MPTCP_PM_ATTR_"
    nla_map = (
        ("MPTCP_PM_ATTR_UNSPEC", "none"),
        ("MPTCP_PM_ATTR_ADDR", "nested_address"),
        ("MPTCP_PM_ATTR_RCV_ADD_ADDRS", "uint32"),
        ("MPTCP_PM_ATTR_SUBFLOWS", "uint32"),
        ("MPTCP_PM_ATTR_TOKEN", "uint32"),
        ("MPTCP_PM_ATTR_LOC_ID", "uint8"),
        ("MPTCP_PM_ATTR_ADDR_REMOTE", "nested_address"),
    )

    class nested_address(nla):  # type: ignore[misc]
        """An address with its id, port and flags; the port is in host order."""

        nla_flags = 0x8000  # NLA_F_NESTED
        prefix = "MPTCP_PM_ADDR_ATTR_"
        nla_map = (
            ("MPTCP_PM_ADDR_ATTR_UNSPEC", "none"),
            ("MPTCP_PM_ADDR_ATTR_FAMILY", "uint16"),
            ("MPTCP_PM_ADDR_ATTR_ID", "uint8"),
            ("MPTCP_PM_ADDR_ATTR_ADDR4", "ip4addr"),
            ("MPTCP_PM_ADDR_ATTR_ADDR6", "ip6addr"),
            ("MPTCP_PM_ADDR_ATTR_PORT", "uint16"),
            ("MPTCP_PM_ADDR_ATTR_FLAGS", "uint32"),
            ("MPTCP_PM_ADDR_ATTR_IF_IDX", "int32"),
        )


class mptcp_event_msg(genlmsg):  # type: ignore[misc]
    """An event: what the kernel sends to the group `mptcp_pm_events`."""

    prefix = "MPTCP_ATTR_"
    nla_map = (
        ("MPTCP_ATTR_UNSPEC", "none"),
        ("MPTCP_ATTR_TOKEN", "uint32"),
        ("MPTCP_ATTR_FAMILY", "uint16"),
        ("MPTCP_ATTR_LOC_ID", "uint8"),
        ("MPTCP_ATTR_REM_ID", "uint8"),
        ("MPTCP_ATTR_SADDR4", "ip4addr"),
        ("MPTCP_ATTR_SADDR6", "ip6addr"),
        ("MPTCP_ATTR_DADDR4", "ip4addr"),
        ("MPTCP_ATTR_DADDR6", "ip6addr"),
        ("MPTCP_ATTR_SPORT", "be16"),
        ("MPTCP_ATTR_DPORT", "be16"),
        ("MPTCP_ATTR_BACKUP", "uint8"),
        ("MPTCP_ATTR_ERROR", "uint8"),
        ("MPTCP_ATTR_FLAGS", "uint16"),
        ("MPTCP_ATTR_TIMEOUT", "uint32"),
        ("MPTCP_ATTR_IF_IDX", "int32"),
        ("MPTCP_ATTR_RESET_REASON", "uint32"),
        ("MPTCP_ATTR_RESET_FLAGS", "uint32"),
        ("MPTCP_ATTR_SERVER_SIDE", "uint8"),
    )
