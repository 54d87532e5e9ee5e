"""What an exploration asks of a guest, and what came of it: one connection again and again, each time with a fault.

In the guest `exploration.json` says what to do (`Request`), and `cases.jsonl` has a line (`Outcome`) for each case. The
packets of a case are those that passed the injector (`testbed.net.fault_injection`), as its program noted them.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field

from testbed.record import model
from testbed.record.events import Kind
from testbed.record.model import Count, EpochSeconds, Flag, Integer, Moment, Record, Seconds, Text, Texts

REQUEST = "exploration.json"
CASES = "cases.jsonl"
CAPTURES = "exploration_captures.json"
MOST_FAULTS = 8
LEAST_RTO_S = 0.2
"""Linux' least retransmission timeout, on top of the round trip (include/net/tcp.h, `TCP_RTO_MIN`)."""

What = Literal["lost", "duplicated", "delayed", "swapped"]
WHATS: tuple[What, ...] = get_args(What)

FATES = ("passed", "lost", "duplicated", "delayed", "swapped", "late", "copy", "ahead", "failed")
PASSED, LOST, DUPLICATED, DELAYED, SWAPPED, LATE, COPY, AHEAD, FAILED = range(len(FATES))
"""What became of a packet where it passed; `late` is one that was delayed or swapped, when it came back."""

FROM_CLIENT, TO_CLIENT = 0, 1
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
CAPABLE, JOIN, DSS, ADD_ADDR, REMOVE_ADDR, PRIO, FAIL, FASTCLOSE, TCPRST = (1 << bit for bit in range(9))
ECHO, DATA_FIN, BACKUP = 1 << 9, 1 << 10, 1 << 11
"""Bits of a passage's options: the subtypes of MPTCP (RFC 8684 section 8), and flags of theirs."""

PASSAGE = struct.Struct("=QII4s4s2s2sHHBBBBI")


class Passage(NamedTuple):
    """A TCP packet that passed the injector, at a place in a direction; `number` is 0 for one that came again."""

    time_ns: int
    seq: int
    ack: int
    source: bytes
    target: bytes
    sport: bytes
    dport: bytes
    payload: int
    options: int
    flags: int
    place: int
    hook: int
    fate: int
    number: int

    @property
    def is_delivered(self) -> bool:
        """Whether a packet went on from here: itself, or one that is like it."""
        return self.fate in (PASSED, DUPLICATED, LATE, COPY, FAILED)

    @property
    def flow(self) -> tuple[bytes, bytes, bytes, bytes]:
        """The flow, the client's end first."""
        if self.hook == FROM_CLIENT:
            return self.source, self.sport, self.target, self.dport
        return self.target, self.dport, self.source, self.sport


class Fault(Record):
    """What is done to the packet with this number, from 1, in the order in which a case's packets pass the injector."""

    packet: Annotated[int, Field(ge=1, le=1 << 30)]
    what: What
    delay_s: Seconds = 0.0

    @property
    def text(self) -> str:
        """For people: `17 delayed 0.2 s`."""
        late = f" {self.delay_s:.6g} s" if self.what == "delayed" else ""
        return f"{self.packet} {self.what}{late}"


class Change(Record):
    """A change of servers, directors or paths, `at_s` seconds after the connection's start.

    As `testbed.record.events` has it; `server` and `link` are names, `director` is a number from 1.
    """

    event: Kind
    at_s: Moment
    server: Text = ""
    director: Count = 0
    places: Count = 0
    link: Text = ""

    @property
    def text(self) -> str:
        """What happens, and to whom: `server-removed s1`."""
        return f"{self.event} {self.server or self.link or self.director or ''}".strip()


class Case(Record):
    """One connection: what is done to its packets, and what happens around it. Without either it is the base line."""

    id: Text
    faults: Annotated[tuple[Fault, ...], Field(max_length=MOST_FAULTS)] = ()
    changes: tuple[Change, ...] = ()

    @property
    def is_base(self) -> bool:
        """Whether nothing is done to it."""
        return not self.faults and not self.changes


class Request(Record):
    """A point, and the cases of its one connection; each must be over `bound_s` seconds after its start."""

    point: dict[str, Any]
    cases: tuple[Case, ...]
    bound_s: Seconds
    capture: Flag = True


class Happened(Record):
    """A change that was made, when so many packets of the connection had passed."""

    event: Text
    after_packet: Count


class Outcome(Record):
    """What came of a case.

    `began_s` is its start, on the clock of the injector's notes, `began_epoch_s` as captures have it. `done_s` is how
    long after that the client had all and the end of it, None if it never had; `error` what its socket said. `intact`:
    what it got is what the server has. `quiet_s` is when neither end had a socket of the connection any more (but for
    TIME_WAIT), None: some were left, which `sockets_left` counts by node. `counters` are what the kernels have
    counted, by node. `struck` is how many of its faults the injector says it has made, and `happened`
    are its changes that were made.
    """

    id: Text
    began_s: Seconds
    began_epoch_s: EpochSeconds
    ended_epoch_s: EpochSeconds
    done_s: Seconds | None = None
    error: Text = ""
    received_bytes: Count = 0
    intact: Flag = False
    quiet_s: Seconds | None = None
    sockets_left: dict[str, Count] = Field(default_factory=dict)
    counters: dict[str, dict[str, Integer]] = Field(default_factory=dict)
    kernel: Texts = ()
    struck: Count = 0
    happened: tuple[Happened, ...] = ()
    seen: Count = 0
    log: Text = ""

    def passages(self) -> list[Passage]:
        """The packets that passed, in order."""
        return [Passage._make(each) for each in PASSAGE.iter_unpack(base64.b64decode(self.log))]


class PathPlace(Record):
    """A place where packets are counted: a node's interface towards the client, and the captures on both sides of it.

    `near` are the client's captures, `far` the servers'.
    """

    node: Text
    interface: Text


class Captures(Record):
    """The captures of an exploration: files at the client and at the servers, and where the injector sits."""

    places: tuple[PathPlace, ...]
    near: tuple[Text, ...]
    far: tuple[Text, ...]
    dropped: Count
    offloads: dict[str, dict[str, Text]] = Field(default_factory=dict)


def read_outcomes(directory: Path) -> Mapping[str, Outcome]:
    """The outcomes of a batch of cases by their ids; raises AnalysisError."""
    return {each.id: each for each in model.read_lines(Outcome, directory / CASES)}


def read_capture_list(directory: Path) -> Captures:
    """Which captures a batch has; raises AnalysisError."""
    return model.read(Captures, directory / CAPTURES)
