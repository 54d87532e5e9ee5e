"""Packets of connections as an injector notes them, made by hand."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from testbed.record import exploration as record
from testbed.record.exploration import PASSAGE, Outcome, Passage

CLIENT, SERVICE, UNIQUE = b"\x0a\x00\x01\x02", b"\x0a\x00\x01\x50", b"\x0a\x00\x03\x65"
MICROSECOND_NS = 1000


class Connection:
    """A connection whose packets pass a hundred microseconds apart; the client's sequence numbers begin at `isn`."""

    def __init__(self, isn: int = 1000) -> None:
        self.passages: list[Passage] = []
        self._isn, self._time_ns, self._number = isn, 10**9, 0

    def add(
        self,
        hook: int,
        *,
        flags: int = record.ACK,
        payload: int = 0,
        options: int = 0,
        seq: int = 1,
        ack: int = 1,
        join: bool = False,
        fate: int = record.PASSED,
        counted: bool = True,
        after_us: int = 100,
    ) -> Connection:
        """One more packet; `seq` and `ack` are from the sender's first."""
        client, server = (CLIENT, b"\x9c\x40" if join else b"\x4e\x20"), (UNIQUE if join else SERVICE, b"\x00\x50")
        (source, sport), (target, dport) = (client, server) if hook == record.FROM_CLIENT else (server, client)
        self._time_ns += after_us * MICROSECOND_NS
        self._number += counted
        isns = (self._isn, self._isn + 5_000_000)
        own, others = isns if hook == record.FROM_CLIENT else isns[::-1]
        self.passages.append(
            Passage(
                self._time_ns,
                (own + seq) % (1 << 32),
                (others + ack) % (1 << 32),
                source,
                target,
                sport,
                dport,
                payload,
                options,
                flags,
                int(join),
                hook,
                fate,
                self._number if counted else 0,
            )
        )
        return self

    def outcome(self, name: str = "base-1", *, done_s: float | None = 0.01, **more: object) -> Outcome:
        """What came of it."""
        said = {"id": name, "began_s": 1.0, "began_epoch_s": 1.0, "ended_epoch_s": 2.0, "done_s": done_s}
        return Outcome.model_validate({**said, "intact": True, "seen": self._number, "log": log(self.passages), **more})


def log(passages: Iterable[Passage]) -> str:
    """The packets as an outcome has them."""
    return base64.b64encode(b"".join(PASSAGE.pack(*one) for one in passages)).decode()


def download(isn: int = 1000, *, joins: bool = True) -> Connection:
    """A small download by MPTCP with an announced address, and a join there if `joins`."""
    client, server = record.FROM_CLIENT, record.TO_CLIENT
    made = Connection(isn)
    made.add(client, flags=record.SYN, options=record.CAPABLE, seq=0, ack=0)
    made.add(server, flags=record.SYN | record.ACK, options=record.CAPABLE, seq=0)
    made.add(client, options=record.CAPABLE)
    made.add(client, flags=record.ACK | record.PSH, payload=80, options=record.CAPABLE)
    made.add(server, options=record.ADD_ADDR, ack=81)
    made.add(server, payload=1400, options=record.DSS, ack=81)
    made.add(client, options=record.ADD_ADDR | record.ECHO, seq=81, ack=1401)
    if joins:
        made.add(client, flags=record.SYN, options=record.JOIN, seq=0, ack=0, join=True)
        made.add(server, flags=record.SYN | record.ACK, options=record.JOIN, seq=0, join=True)
        made.add(client, options=record.JOIN, join=True)
        made.add(server, options=record.DSS, join=True)
    made.add(server, flags=record.ACK | record.FIN, payload=600, options=record.DSS, seq=1401, ack=81)
    made.add(client, flags=record.ACK | record.FIN, options=record.DSS, seq=81, ack=2002)
    return made
