"""What became of the SYNs that a workload made up: `syns.json`, a list, one for each of its sendings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from testbed.record import model, reading
from testbed.record.model import Count, Record, Text

FILE = "syns.json"
HALF_OPEN = "half_open.json"

Kind = Literal["plain", "capable", "join", "guess", "replay", "malformed-join", "capable-and-join"]
"""Without an MPTCP option; with MP_CAPABLE; with MP_JOIN and a random token; the same to an address that is in use, and
with the token that is in use there; with MP_JOIN of a length that it does not have; with MP_CAPABLE and MP_JOIN.
"""


class Tally(Record):
    """So many `syns` of a kind were sent, in so many `frames` (a SYN that is sent again is another one).

    `answered` are SYNs that a SYN+ACK came to, `refused` those that a RST came to; `syn_acks`, `resets` and `others`
    are the packets that came.
    """

    kind: Kind
    to: Text
    syns: Count
    frames: Count
    answered: Count
    refused: Count
    syn_acks: Count
    resets: Count
    others: Count


class Requests(Record):
    """The `most` SYNs that each server had answered, and waited for what comes next, at any moment looked at."""

    most: dict[str, Count]


def read_half_open(directory: Path) -> int | None:
    """The most at a time, of the server that had the most; None where nobody looked. Raises AnalysisError."""
    if not reading.is_there(directory / HALF_OPEN):
        return None
    return max(model.read(Requests, directory / HALF_OPEN).most.values(), default=0)


def read_tallies(directory: Path) -> tuple[Tally, ...]:
    """What became of them, nothing where none were made up; raises AnalysisError."""
    return model.read_list(Tally, directory / FILE) if reading.is_there(directory / FILE) else ()
