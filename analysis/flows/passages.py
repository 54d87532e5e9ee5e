"""What the packets of an explored connection are: which subflow, which way, which step of MPTCP, and how often before.

A packet is told by that, not by its number: in another kernel, or after a fault, other packets come before it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.record import exploration as record
from testbed.record.exploration import Passage

Identity = tuple[int, int, str, int, int, int, int, int]

FLOWS = ("initial subflow", "join")
DIRECTIONS = ("client to server", "server to client")

_SIGNALS = (
    (record.ADD_ADDR, "ADD_ADDR"),
    (record.REMOVE_ADDR, "REMOVE_ADDR"),
    (record.PRIO, "MP_PRIO"),
    (record.FASTCLOSE, "MP_FASTCLOSE"),
    (record.FAIL, "MP_FAIL"),
)


@dataclass(frozen=True)
class Described:
    """A packet that passed: `t_s` is from the first of the connection, `seq` and `ack` from the first of their sender.

    `flow` is 0 for the initial subflow, else the number of the join; `occurrence` counts, from 1, those of its kind in
    its direction of its subflow. `to_service`: its subflow is with the address that the connection began with.
    """

    passage: Passage
    t_s: float
    flow: int
    kind: str
    occurrence: int
    seq: int
    ack: int
    to_service: bool

    @property
    def identity(self) -> Identity:
        """What tells it from any other packet of its connection, and is the same each time that it is made."""
        one = self.passage
        return self.flow, one.hook, self.kind, self.seq, self.ack, one.payload, one.flags, one.options

    @property
    def direction(self) -> str:
        """Which way it went."""
        return DIRECTIONS[self.passage.hook]

    @property
    def subflow(self) -> str:
        """Of which subflow it is."""
        return FLOWS[0] if self.flow == 0 else f"{FLOWS[1]} {self.flow}"

    @property
    def name(self) -> str:
        """What it is, in words: `ADD_ADDR 1, server to client, initial subflow`."""
        return f"{self.kind} {self.occurrence}, {self.direction}, {self.subflow}"


def describe(passages: Sequence[Passage]) -> list[Described]:
    """The packets of one connection in the order in which they passed."""
    if not passages:
        return []
    flows: dict[tuple[bytes, bytes, bytes, bytes], int] = {}
    first: dict[tuple[int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    seen: Counter[tuple[int, int, str]] = Counter()
    service = passages[0].flow[2:]
    found = []
    for passage in passages:
        flow = flows.setdefault(passage.flow, len(flows))
        way, other = (flow, passage.hook), (flow, 1 - passage.hook)
        begins = first.setdefault(way, passage.seq)
        kind = _kind(passage, is_again=_is_again(passage, begins, ends.get(way)))
        end = (passage.seq - begins) % (1 << 32) + passage.payload
        if passage.payload:
            ends[way] = max(end, ends.get(way, 0))
        if passage.number:
            seen[(*way, kind)] += 1
        found.append(
            Described(
                passage,
                round((passage.time_ns - passages[0].time_ns) * 1e-9, 9),
                flow,
                kind,
                seen[(*way, kind)],
                (passage.seq - begins) % (1 << 32),
                (passage.ack - first[other]) % (1 << 32) if passage.flags & record.ACK and other in first else 0,
                passage.flow[2:] == service,
            )
        )
    return found


def _is_again(passage: Passage, begins: int, sent: int | None) -> bool:
    """Whether its payload was sent before."""
    return bool(passage.payload) and sent is not None and (passage.seq - begins) % (1 << 32) < sent


def _kind(passage: Passage, *, is_again: bool) -> str:
    flags, options = passage.flags, passage.options
    if flags & record.RST:
        return "RST"
    joins = "join " if options & record.JOIN else ""
    if flags & record.SYN:
        return f"{joins}SYN+ACK" if flags & record.ACK else f"{joins}SYN"
    if options & record.JOIN:
        return "join ACK"
    for bit, name in _SIGNALS:
        if options & bit:
            return f"{name} echo" if bit == record.ADD_ADDR and options & record.ECHO else name
    if passage.payload:
        return "data again" if is_again else "data"
    if options & record.CAPABLE:
        return "third ACK"
    if flags & record.FIN:
        return "FIN"
    return "DATA_FIN" if options & record.DATA_FIN else "ACK"


def digest(described: Sequence[Described]) -> str:
    """A hash over all that passed, place by place and direction by direction in order.

    Of numbers that are drawn anew it has only what they are to one another. And nothing of the times, or of what passed
    first at two places: a look at the clock is 256 ns of virtual time, and somebody may or may not have had one.
    """
    said = hashlib.sha256()
    for each in sorted(described, key=lambda each: (each.passage.place, each.passage.hook)):
        one = each.passage
        words = (
            each.flow, each.seq, each.ack, one.payload, one.options, one.flags,
            one.place, one.hook, one.fate,
        )  # fmt: skip
        said.update(repr(words).encode() + b"\n")
    return said.hexdigest()
