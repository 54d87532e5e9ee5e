"""The events of the family `mptcp_pm`, from the bytes of a datagram to plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from testbed.net.codecs import Marshal
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.messages import (
    EVENT_FLAG_DENY_JOIN_ID0,
    EVENT_FLAG_SERVER_SIDE,
    EventType,
    mptcp_event_msg,
)


@dataclass(frozen=True)
class Event:
    """One event. What its type does not carry is None (addresses), 0 or False.

    `token` is the connection's local token. `error` is a copy of the subflow's socket error.
    """

    type: EventType
    token: int = 0
    local: SocketAddress | None = None
    remote: SocketAddress | None = None
    local_id: int = 0
    remote_id: int = 0
    server_side: bool = False
    deny_join_id0: bool = False
    backup: bool = False
    error: int = 0
    reset_reason: int | None = None


def decode(data: bytes, family_id: int) -> Iterator[Event | int]:
    """The events of a datagram; an event of a type that this module does not know comes as its number."""
    marshal = Marshal()
    marshal.msg_map = {family_id: mptcp_event_msg}
    for message in marshal.parse(data):
        if message["header"]["type"] != family_id:
            continue
        try:
            kind = EventType(message["cmd"])
        except ValueError:
            yield int(message["cmd"])
            continue
        yield _event(kind, message)


def _event(kind: EventType, message: Any) -> Event:
    values = {name.removeprefix(mptcp_event_msg.prefix): value for name, value in message["attrs"]}
    flags = values.get("FLAGS", 0)
    return Event(
        kind,
        token=values.get("TOKEN", 0),
        local=_end(values, "SADDR", "SPORT"),
        remote=_end(values, "DADDR", "DPORT"),
        local_id=values.get("LOC_ID", 0),
        remote_id=values.get("REM_ID", 0),
        server_side=bool(values.get("SERVER_SIDE", 0) or flags & EVENT_FLAG_SERVER_SIDE),
        deny_join_id0=bool(flags & EVENT_FLAG_DENY_JOIN_ID0),
        backup=bool(values.get("BACKUP", 0)),
        error=values.get("ERROR", 0),
        reset_reason=values.get("RESET_REASON"),
    )


def _end(values: dict[str, Any], address: str, port: str) -> SocketAddress | None:
    host = values.get(f"{address}4") or values.get(f"{address}6")
    return None if host is None else SocketAddress(host, values.get(port, 0))
