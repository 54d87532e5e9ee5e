"""Whether captures have seen what an injector says: each packet of a case, as often as it says, on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.pcap import Packets, merge, read_stored_pcap
from testbed.record import exploration as record
from testbed.record.exploration import Captures, Outcome, Passage

Key = tuple[int, int, int, int, int, int]
"""Ports, sequence and acknowledgement number, flags, payload: addresses are translated on the way, these are not."""

_FLAGS = 0xFF


@dataclass(frozen=True)
class Agreement:
    """What is wrong at the client, and at the servers, in words; empty: nothing.

    At the servers it is about the packets that something was done to: others may end at a director.
    """

    near: str = ""
    far: str = ""


@dataclass(frozen=True, eq=False)
class Sides:
    """The packets of all cases of a batch, as captured at the client (`near`) and at the servers (`far`)."""

    near: Packets
    far: Packets

    def agreement(self, outcome: Outcome) -> Agreement:
        """Compare a case's captures with what the injector noted."""
        passages = outcome.passages()
        struck = {_key(one) for one in passages if one.fate in _STRUCK}
        near, far = _expected(passages)
        return Agreement(
            _compared(near, _captured(self.near, outcome), "at the client"),
            _compared(_only(far, struck), _only(_captured(self.far, outcome), struck), "at the servers"),
        )

    def is_far_comparable(self, base: Outcome) -> bool:
        """Whether packets are at the servers as they are at the client: a proxy's are its own.

        Asked of a connection to which nothing is done.
        """
        _near, far = _expected(base.passages())
        return not _compared(far, _only(_captured(self.far, base), set(far)), "")


_STRUCK = (record.LOST, record.DUPLICATED, record.DELAYED, record.SWAPPED)


def read_sides(directory: Path, captures: Captures) -> Sides:
    """The captures of a batch; raises AnalysisError."""
    return Sides(*(_merged(directory, names) for names in (captures.near, captures.far)))


def _merged(directory: Path, names: Sequence[str]) -> Packets:
    return merge([read_stored_pcap(directory / Path(name).name) for name in names])


def _key(one: Passage) -> Key:
    ports = int.from_bytes(one.sport, "big"), int.from_bytes(one.dport, "big")
    return *ports, one.seq, one.ack, one.flags, one.payload


def _captured(side: Packets, outcome: Outcome) -> Counter[Key]:
    """How often each packet was captured between the case's start and its end."""
    window = np.array([outcome.began_epoch_s, outcome.ended_epoch_s]) * 1e9
    first, last = np.searchsorted(side.time_ns, window)
    rows = slice(int(first), int(last))
    columns = (side.sport, side.dport, side.seq, side.ack, side.flags & _FLAGS, side.payload_bytes)
    return Counter(zip(*(column[rows].tolist() for column in columns), strict=True))


def _expected(passages: Sequence[Passage]) -> tuple[Counter[Key], Counter[Key]]:
    """How often each packet must be seen at the client, and at the servers."""
    near, far = Counter[Key](), Counter[Key]()
    for one in passages:
        arrives = one.number > 0
        for side, sends in ((near, one.hook == record.FROM_CLIENT), (far, one.hook == record.TO_CLIENT)):
            side[_key(one)] += arrives if sends else one.is_delivered
    return near, far


def _only(counts: Counter[Key], keys: set[Key]) -> Counter[Key]:
    return Counter({key: count for key, count in counts.items() if key in keys})


def _compared(expected: Counter[Key], found: Counter[Key], where: str) -> str:
    differing = list(_differing(expected, found))
    if not differing:
        return ""
    key, wanted, seen = differing[0]
    return (
        f"{len(differing)} packets {where} are not as noted, such as that from port {key[0]} to {key[1]} with flags "
        f"{key[4]:#x} and {key[5]} bytes: {seen} captured, {wanted} noted"
    )


def _differing(expected: Counter[Key], found: Counter[Key]) -> Iterator[tuple[Key, int, int]]:
    for key in expected | found:
        if expected[key] != found[key]:
            yield key, expected[key], found[key]
