"""The clocks of captures: packets that are stored out of order, clocks that were set, places whose clocks differ.

Enters: the packets of one capture in the order of its file, or of several places. Leaves: the same with times that can
be put in one order, and a line on each thing that was found. The times of a clock that was set forward stay as they
are, for nobody can tell that from an hour in which nothing came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.pcap import SYN, Packets
from analysis.pcap.columns import I64, Rows

_NS = 1_000_000_000
_SET_NS = 100_000_000
"""A packet so much before the one that is stored before it may not merely have been overtaken on its way into the file:
ntpd sets a clock that is off by more than 128 ms. Whether the connections go forward there tells."""

_OFF_NS = _NS
"""Two places' clocks that differ by less may be right, for it may be the time on the way."""

_GAP_NS = 86_400 * _NS
_MOST_STEPS, _LARGEST_NS = 16, 1 << 62
"""A clock that is set back more often, or farther in all, is none: the order of the file is all that there is."""

_MOST_PLACES = 64
"""More interfaces at one time are those of one machine, which has one clock."""

_PORT_BITS = 16


def steady(packets: Packets, file: str) -> tuple[Packets, list[str]]:
    """One capture's packets in the order in which they were sent, and what was wrong with their times.

    A clock that was set back while connections went on (their sequence numbers say so) is read on from there. Packets
    that are merely stored late are sorted by time.
    """
    time_ns = packets.time_ns
    notes: list[str] = []
    back = np.flatnonzero(time_ns[1:] < time_ns[:-1]) + 1
    if not len(back):
        return packets, notes
    # A packet that has no time (such as a Simple Packet Block of pcapng) has 0.
    missing = (time_ns == 0) & (np.maximum.accumulate(time_ns) > 0)
    if missing.any():
        time_ns = _carried_on(time_ns, missing)
        notes.append(f"{file}: {np.count_nonzero(missing)} packets have no time: they have that of the packet before")
        back = np.flatnonzero(time_ns[1:] < time_ns[:-1]) + 1
    steps = _set_back(packets, time_ns, back[time_ns[back - 1] - time_ns[back] > _SET_NS])
    lost = time_ns[steps - 1] - time_ns[steps]
    if len(steps) > _MOST_STEPS or sum(lost.tolist()) > _LARGEST_NS:
        time_ns = np.maximum.accumulate(time_ns)
        notes.append(f"{file}: the clock goes back {len(steps)} times: its packets stay in the order of the file")
    elif len(steps):
        first = int(steps[0])
        notes.append(
            f"{file}: the clock was set back by {span(int(lost[0]))} before frame {packets.frame[first]} "
            f"({_date(int(time_ns[first - 1]))} to {_date(int(time_ns[first]))}){_others(len(steps))}: "
            "the times go on from there"
        )
        shift = np.zeros(len(packets), np.int64)
        shift[steps] = lost
        time_ns = time_ns + np.cumsum(shift)
    late = np.count_nonzero(time_ns < np.maximum.accumulate(time_ns))
    if late:
        notes.append(f"{file}: {late} packets are stored after later ones: sorted by time")
    return replace(packets, time_ns=time_ns).by_time(), notes


def aligned(packets: Packets, names: Sequence[str]) -> tuple[Packets, list[str]]:
    """Several places' packets by one clock, that of the first place, and whose clock was how far off.

    Only clocks that are off by more than a second are moved: less may be the time on the way. `names` are the places'.
    """
    notes: list[str] = []
    if not 1 < len(names) <= _MOST_PLACES:
        return packets, notes
    place, copies, moved = packets.place, copies_of(packets), packets.time_ns.copy()
    seen: list[tuple[I64, Rows]] = []
    for number in range(len(names)):
        rows = np.flatnonzero(place == number)
        own, first = np.unique(copies[rows], return_index=True)
        seen.append((own, rows[first]))
        offsets = (_offset(moved, seen[other], seen[number]) for other in range(number))
        other, offset = next(((n, each) for n, each in enumerate(offsets) if each is not None), (0, None))
        if offset is None or abs(offset) <= _OFF_NS:
            continue
        moved[place == number] -= offset
        way = "ahead of" if offset > 0 else "behind"
        notes.append(
            f"{names[number]}: its clock is {span(abs(offset))} {way} that of {names[other]}: its times are moved by "
            "that"
        )
    return (replace(packets, time_ns=moved).by_time() if notes else packets), notes


def gaps(packets: Packets, names: Sequence[str]) -> list[str]:
    """A line on the longest time without a packet, where that is a day or more; `names` are the interfaces'."""
    wide = np.flatnonzero(np.diff(packets.time_ns) >= _GAP_NS)
    if not len(wide):
        return []
    at = int(wide[np.argmax(np.diff(packets.time_ns)[wide])])
    before, after = int(packets.time_ns[at]), int(packets.time_ns[at + 1])
    file = names[int(packets.interface[at])]
    return [
        f"{file}: no packet for {span(after - before)} after frame {packets.frame[at]} ({_date(before)} to "
        f"{_date(after)}){_others(len(wide))}: the clock was set, or nothing came"
    ]


def copies_of(packets: Packets, *also: NDArray[Any]) -> I64:
    """A number per packet that a copy of it has too, captured elsewhere: what no router on the way changes.

    A translation of addresses changes one port at most, and hardly ever the greater one, which is the client's. `also`
    are further columns in which the copies that are looked for agree.
    """
    port = np.maximum(packets.sport, packets.dport)
    words: list[NDArray[Any]] = [packets.seq, packets.ack, packets.ts_value, packets.payload_bytes, packets.ip_id]
    words += [packets.flags, port, *also]
    mixed = np.zeros(len(packets), np.uint64)
    for word in words:
        mixed = (mixed ^ word.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed.view(np.int64)


def _carried_on(time_ns: I64, missing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> I64:
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(len(time_ns))))
    return np.asarray(time_ns[last], np.int64)


def _set_back(packets: Packets, time_ns: I64, candidates: Rows) -> Rows:
    """Those rows before which the clock was set back: there time runs backwards, but the connections go forward."""
    if not len(candidates):
        return candidates
    source = packets.src.astype(np.int64) << _PORT_BITS | packets.sport
    target = packets.dst.astype(np.int64) << _PORT_BITS | packets.dport
    order = np.lexsort((np.arange(len(packets)), target, source))
    one, other = order[:-1], order[1:]
    straddles = (source[one] == source[other]) & (target[one] == target[other]) & ((packets.flags[other] & SYN) == 0)
    straddles &= time_ns[other] < time_ns[one]
    at = np.searchsorted(candidates, other, side="right") - 1
    straddles &= (at >= 0) & (candidates[at] > one)
    one, other, at = one[straddles], other[straddles], at[straddles]
    steps = [
        (getattr(packets, name)[other] - getattr(packets, name)[one]).view(np.int32).astype(np.int64)
        for name in ("seq", "ack")
    ]
    way = np.where(steps[0] != 0, np.sign(steps[0]), np.sign(steps[1]))
    return candidates[np.bincount(at, way, minlength=len(candidates)) > 0]


def _offset(time_ns: I64, one: tuple[I64, Rows], other: tuple[I64, Rows]) -> int | None:
    """How far the clock of `other` is ahead of that of `one`, by the packets of both (copies, rows); None: none are.

    The median is that of both directions together, so that the time on the way is at most all of it.
    """
    _, left, right = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    if not len(left):
        return None
    return int(np.median(time_ns[other[1][right]] - time_ns[one[1][left]]))


def _others(count: int) -> str:
    return f" and {count - 1} more like it" if count > 1 else ""


def span(ns: int) -> str:
    """A length of time in its largest unit."""
    for unit, seconds in (("years", 31_556_952), ("days", 86_400), ("h", 3600), ("min", 60)):
        if ns >= seconds * _NS:
            return f"{ns / (seconds * _NS):.1f} {unit}"
    return f"{ns / _NS:.1f} s"


def _date(ns: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000):%Y-%m-%d %H:%M:%S}"
