"""The kernel's own reason of each RST (`tcp:tcp_send_reset`), beside the cause that the packets tell.

Enters: the events of a trace, and a point's RSTs with their causes. Leaves: which event is which RST, and whether the
two agree. An event has addresses and ports, but no sequence number, so events and RSTs of the same two ends are paired
in their order. A listener's event has neither (a stray packet came to a server that has the port open, but not the
connection): all of these are paired with what is left, in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.flows.clocks import copies_of
from analysis.flows.observation import Observation
from analysis.pcap import ACK, RST, Packets
from testbed.record.trace import TraceEvent

EVENT = "tcp_send_reset"

UNSPECIFIC = frozenset({"NOT_SPECIFIED", "MPTCP_RST_EUNSPEC", "ERROR"})
"""Reasons that say nothing (include/net/rstreason.h)."""

_GONE = frozenset({"NO_SOCKET", "TCP_FLAGS", "TCP_TIMEWAIT_SOCKET"})
_ABORTED = frozenset({"TCP_ABORT_ON_CLOSE", "TCP_ABORT_ON_LINGER", "TCP_DISCONNECT_WITH_DATA"})
_LATE_DATA = frozenset({"TCP_ABORT_ON_DATA"})
_OF_MPTCP = frozenset({f"MPTCP_RST_{name}" for name in ("EMPTCP", "ERESOURCE", "EPROHIBIT", "EWQ2BIG", "EBADPERF")})

AGREEING: Mapping[str, frozenset[str]] = {
    "no-socket": _GONE - {"TCP_TIMEWAIT_SOCKET"},
    "closed-socket": _GONE | _LATE_DATA,
    "after-close": _GONE,
    "workload-end": _GONE | _ABORTED | _LATE_DATA,
    "unread-data": _ABORTED | _LATE_DATA,
    "initial-closed": _ABORTED | _OF_MPTCP,
    "subflow-closed": _ABORTED | _OF_MPTCP,
    "fastclose": _GONE | _ABORTED | _LATE_DATA,
    "join-refused": _OF_MPTCP | {"NO_SOCKET", "INVALID_SYN"},
    "refused": frozenset({"NO_SOCKET", "INVALID_SYN"}),
    "unknown": frozenset(),
}
"""The kernel's reasons that each cause can have. TCP_FLAGS is what a listener says to a packet that opens nothing."""

_NOBODY = frozenset({"0.0.0.0", "::"})
_Key = tuple[str, int, bool, bool]


@dataclass(frozen=True)
class KernelReset:
    """One event: who was to get the RST from whom, in which state the socket was, and why it was sent.

    `answers` says that it answers a packet; else the socket itself was closed so. `number` is that of the RST in the
    table `resets`, None where it never came to the client.
    """

    time_ns: int | None
    src: str
    sport: int
    dst: str
    dport: int
    state: str
    reason: str
    answers: bool
    number: int | None = None

    @property
    def of_listener(self) -> bool:
        """Whether a listener has sent it, which has no peer."""
        return self.dst in _NOBODY

    @property
    def is_specific(self) -> bool:
        """Whether the reason says anything."""
        return self.reason not in UNSPECIFIC


def kernel_resets(events: Sequence[TraceEvent], observed: Observation) -> list[KernelReset]:
    """The events in their order, each with its RST."""
    found = [_event(each) for each in events if each.name == EVENT]
    clients = set(observed.address_texts(np.array(observed.addresses.client, np.uint32)))
    sent, left = _sent(observed, clients)
    waiting: defaultdict[_Key, list[int]] = defaultdict(list)
    for number, each in enumerate(found):
        if not each.of_listener:
            by_client = each.src in clients
            client, port = (each.src, each.sport) if by_client else (each.dst, each.dport)
            waiting[client, port, by_client, each.answers].append(number)
    numbers: dict[int, int] = {}
    for key, mine in waiting.items():
        numbers |= zip(mine, sent.pop(key, ())[: len(mine)], strict=False)
    listeners = [number for number, each in enumerate(found) if each.of_listener]
    rest = [(left[reset], reset) for key, resets in sent.items() if not key[2] and key[3] for reset in resets]
    numbers |= zip(listeners, (reset for _, reset in sorted(rest)), strict=False)
    # Those of RSTs that never came have a number below 0.
    known = {number: reset for number, reset in numbers.items() if reset >= 0}
    return [replace(each, number=known.get(number)) for number, each in enumerate(found)]


def agrees(cause: str, found: KernelReset) -> bool | None:
    """Whether a cause and the kernel's reason agree; None where the reason says nothing."""
    return found.reason in AGREEING.get(cause, frozenset()) if found.is_specific else None


def _sent(observed: Observation, clients: set[str]) -> tuple[dict[_Key, list[int]], dict[int, int]]:
    """The RSTs of the table `resets` as they were sent, by what their events tell, and when.

    Where they were captured at the servers, those that were lost on the way have their place, too: a number below 0.
    """
    packets, row = observed.packets, observed.resets.row
    at_client = zip(packets.time_ns[row].tolist(), row.tolist(), strict=True)
    entries = [(int(time), number, packets, int(at)) for number, (time, at) in enumerate(at_client)]
    mine = {int(copy): number for number, copy in enumerate(copies_of(packets.select(row)).tolist())}
    lost = 0
    for capture in observed.known.captures.values():
        rows = np.flatnonzero((capture.flags & RST) != 0)
        resets = capture.select(rows)
        for at, (copy, time) in enumerate(zip(copies_of(resets).tolist(), resets.time_ns.tolist(), strict=True)):
            if copy in mine:
                number = mine[copy]
                if observed.resets.to_client[number]:
                    entries[number] = (int(time), number, packets, int(row[number]))
            elif _text(resets, at, "src") not in clients:
                lost += 1
                entries.append((int(time), -lost, resets, at))
    found: defaultdict[_Key, list[int]] = defaultdict(list)
    times = {}
    for time, number, of, at in sorted(entries, key=lambda entry: entry[:2]):
        by_client = _text(of, at, "src") in clients
        end, port = ("src", of.sport) if by_client else ("dst", of.dport)
        answers = not of.flags[at] & ACK or int(of.seq[at]) == 0
        found[_text(of, at, end), int(port[at]), by_client, bool(answers)].append(number)
        times[number] = time
    return dict(found), times


def _text(packets: Packets, at: int, column: str) -> str:
    return packets.address(int(getattr(packets, column)[at]), int(packets.ip_version[at]))


def _event(event: TraceEvent) -> KernelReset:
    src, sport = endpoint(event.said.get("src", ""))
    dst, dport = endpoint(event.said.get("dest", ""))
    return KernelReset(
        time_ns=event.time_ns,
        src=src,
        sport=sport,
        dst=dst,
        dport=dport,
        state=event.said.get("state", "").removeprefix("TCP_"),
        reason=event.said.get("reason", ""),
        answers=bool(event.said.get("skbaddr", "").strip("0")) and event.said.get("skbaddr") != "(null)",
    )


def endpoint(text: str) -> tuple[str, int]:
    """An address and a port as the kernel prints them (`%pISpc`): `10.0.1.2:80`, `[2001:db8::1]:80`."""
    address, _, port = text.rpartition(":")
    address = address.strip("[]").removeprefix("::ffff:")
    return address, int(port) if port.isdecimal() else 0
