"""Which captures one place took one after the other, and which are of different places.

Enters: the packets of several captures. Leaves: the same, where a place may have several interfaces. tcpdump with -C,
-G or -W and dumpcap with -b write one capture into several files; a pcapng of several sections is alike. They follow
each other in time and share no packets, where another place has copies of the same ones. Files of two places that a
clock's error has set one after the other share most of their packets. Captures that were started by hand before the
last one was stopped have some packets twice, at the very same times: these count once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from analysis.flows.capture_order import precedes
from analysis.flows.clocks import copies_of, span
from analysis.pcap import Packets
from analysis.pcap.columns import I64, Rows

_Pair = tuple[int, int]

_OVERLAP_NS = 10_000_000
"""How far two files of one capture may overlap: packets are stored a little out of order."""

_COPIES = 0.2
"""Share of the smaller capture's packets that another place has; at the border of two files some are repeated, too."""

_TWINS = 0.9
"""Share of the packets two captures have in common that must have the same times in both if one place took them."""

_MOST_PARTS = 4096
"""More interfaces than this are no ring of files: each is a place."""

_MOST_IN_TURN, _MOST_MOVES = 64, 8
"""Among more than these no clock that was set back from one to the next is looked for, and not more often than this."""

_UNKNOWN = 0.5


@dataclass(frozen=True)
class _Part:
    """The packets of one interface: its number, the first and last time, and what one capture's files agree in.

    `ttls` are the times to live of the packets from one address to another.
    """

    number: int
    first_ns: int
    last_ns: int
    kind: tuple[int, int, str]
    stem: str
    ttls: dict[tuple[int, int], frozenset[int]]


@dataclass
class _Place:
    parts: list[_Part] = field(default_factory=list)


def with_places(packets: Packets, most_moves: int = _MOST_MOVES) -> tuple[Packets, list[list[int]], list[str]]:
    """The packets with their places; and of each place, in order of appearance, the interfaces in order of time.

    Last come the lines on clocks that were set back between two captures of one place, of which there may be so many.
    """
    rows = _rows_of(packets)
    if not 1 < len(rows) <= _MOST_PARTS:
        return packets, [[number] for number in rows], []
    parts = [_part(packets, number, mine) for number, mine in rows.items()]
    shared, few = _shared(copies_of(packets), rows, len(packets.interfaces))
    exact = copies_of(packets, packets.time_ns, packets.ttl, packets.src, packets.dst, packets.sport)
    _, same = _shared(exact, rows, len(packets.interfaces))
    twins = {ends for ends, count in same.items() if count >= _TWINS * few.get(ends, 0)}
    places: list[_Place] = []
    is_few = len(rows) <= _MOST_IN_TURN and most_moves > 0
    for part in sorted(parts, key=lambda each: (each.first_ns, each.last_ns)):
        fitting = [each for each in places if _follows(part, each, shared, twins)]
        if is_few:
            fitting = [each for each in fitting if not _came_before(packets, rows, part, each)]
        if fitting:
            max(fitting, key=partial(_likeness, part, few)).parts.append(part)
        else:
            places.append(_Place([part]))
    if is_few:
        moved, note = _in_turn(packets, rows, places, few)
        if note:
            packets, grouped, notes = with_places(moved.by_time(), most_moves - 1)
            return packets, grouped, [note, *notes]
    grouped = sorted([part.number for part in place.parts] for place in places)
    grouped.sort(key=min)
    of_interface = np.arange(len(packets.interfaces)) + len(grouped)  # those without a packet
    for number, members in enumerate(grouped):
        of_interface[members] = number
    packets = replace(packets, places=tuple(of_interface.tolist()))
    overlapping = [members for members in grouped if any(_pair(*each) in twins for each in pairwise(members))]
    again = [_again(exact, rows, members) for members in overlapping]
    return (_without(packets, np.concatenate(again)) if again else packets), grouped, []


def _came_before(packets: Packets, rows: Mapping[int, Rows], part: _Part, place: _Place) -> bool:
    """Whether a place's captures go on from a part that is later by its clock."""
    mine = rows[part.number]
    return precedes(packets, before=mine, after=rows[place.parts[0].number], first=mine, last=_rows_at(place, rows))


def _rows_at(place: _Place, rows: Mapping[int, Rows]) -> Rows:
    return np.sort(np.concatenate([rows[part.number] for part in place.parts]))


def _in_turn(
    packets: Packets, rows: Mapping[int, Rows], places: list[_Place], few: Mapping[_Pair, int]
) -> tuple[Packets, str]:
    """The packets, where captures that go on from a later one by their connections have times that do so, too.

    So it is if the clock was set back in the meantime; those of two places would have packets in common.
    """
    time_ns = packets.time_ns.copy()
    for place in places:
        first = place.parts[0]
        for other in places:
            last = other.parts[-1]
            if (
                other is not place
                and last.kind == first.kind
                and first.first_ns < last.last_ns
                and not any(few.get(_pair(one.number, two.number)) for one in place.parts for two in other.parts)
                and _same_distance(first, last) > _UNKNOWN
                and precedes(
                    packets,
                    before=rows[last.number],
                    after=rows[first.number],
                    first=_rows_at(other, rows),
                    last=_rows_at(place, rows),
                )
            ):
                by_ns = last.last_ns + 1 - first.first_ns
                for part in place.parts:
                    time_ns[rows[part.number]] += by_ns
                files = [packets.interfaces[part.number].file for part in (first, last)]
                note = (
                    f"{files[0]}: its connections go on from {files[1]}, but by its clock it began {span(by_ns)} "
                    "before the end of that: its times are moved by that"
                )
                return replace(packets, time_ns=time_ns), note
    return packets, ""


def _again(exact: I64, rows: Mapping[int, Rows], members: Sequence[int]) -> Rows:
    """The rows of a place's captures that one before them has too."""
    found = [np.empty(0, np.int64)]
    seen = exact[rows[members[0]]]
    for number in members[1:]:
        mine = rows[number]
        found.append(mine[np.isin(exact[mine], seen)])
        seen = exact[mine]
    return np.concatenate(found)


def _without(packets: Packets, rows: Rows) -> Packets:
    kept = np.ones(len(packets), np.bool_)
    kept[rows] = False
    return packets.select(np.flatnonzero(kept))


def place_notes(packets: Packets, grouped: Sequence[Sequence[int]]) -> list[str]:
    """A line on every place whose capture is in several files."""
    lines = []
    for members in grouped:
        files = list(dict.fromkeys(packets.interfaces[number].file for number in members))
        if len(members) > 1:
            what = ", ".join(files) if len(files) > 1 else f"the sections of {files[0]}"
            lines.append(f"{what}: one capture, one after the other")
    return lines


def _rows_of(packets: Packets) -> dict[int, Rows]:
    """The rows of every interface that has any."""
    order = np.argsort(packets.interface, kind="stable")
    numbers, first = np.unique(packets.interface[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, first[1:]), strict=True))


def _part(packets: Packets, number: int, rows: Rows) -> _Part:
    interface, times = packets.interfaces[number], packets.time_ns[rows]
    kind = interface.link_type, interface.snap_bytes, interface.name
    return _Part(
        number=number,
        first_ns=int(times.min()),
        last_ns=int(times.max()),
        kind=kind,
        stem=_stem(interface.file),
        ttls=_ttls(packets, rows),
    )


def _ttls(packets: Packets, rows: Rows) -> dict[tuple[int, int], frozenset[int]]:
    """The times to live per source and target; of one place they are the same, of another at the far end none is."""
    ends = packets.src[rows].astype(np.int64) << 32 | packets.dst[rows]
    ordered = np.lexsort((packets.ttl[rows], ends))
    fresh = np.ones(len(rows), np.bool_)
    by_ends, by_ttl = ends[ordered], packets.ttl[rows][ordered]
    fresh[1:] = (by_ends[1:] != by_ends[:-1]) | (by_ttl[1:] != by_ttl[:-1])
    found: dict[tuple[int, int], set[int]] = {}
    for end, ttl in zip(by_ends[fresh].tolist(), by_ttl[fresh].tolist(), strict=True):
        found.setdefault((end >> 32, end & 0xFFFFFFFF), set()).add(ttl)
    return {pair: frozenset(each) for pair, each in found.items()}


def _stem(file: str) -> str:
    """What the names of one capture's files have in common: all but numbers and times."""
    return re.sub(r"\d+", "", file)


def _follows(part: _Part, place: _Place, shared: Collection[_Pair], twins: Collection[_Pair]) -> bool:
    last = place.parts[-1]
    goes_on = part.first_ns > last.first_ns and part.last_ns > last.last_ns and _pair(part.number, last.number) in twins
    return (
        last.kind == part.kind
        and (goes_on or part.first_ns >= last.last_ns - _OVERLAP_NS)
        and not any(
            pair in shared and pair not in twins for pair in (_pair(part.number, each.number) for each in place.parts)
        )
        and _same_distance(part, last) > 0
    )


def _likeness(part: _Part, few: Mapping[_Pair, int], place: _Place) -> tuple[float, bool, int, int]:
    """How much a place is like that of a part that may follow it: the greater the more."""
    last = place.parts[-1]
    common = few.get(_pair(part.number, last.number), 0)
    return _same_distance(part, last), last.stem == part.stem, -common, last.last_ns


def _same_distance(one: _Part, other: _Part) -> float:
    """Share of their common ways between two addresses on which packets have come equally far; 0.5: nothing to tell by.

    A single way that differs is no evidence: the route to a far end may have changed.
    """
    common = one.ttls.keys() & other.ttls.keys()
    if not common:
        return _UNKNOWN
    same = sum(not one.ttls[each].isdisjoint(other.ttls[each]) for each in common)
    return same / len(common) if len(common) > 1 or same else _UNKNOWN


def _pair(one: int, other: int) -> _Pair:
    return min(one, other), max(one, other)


def _shared(copies: I64, rows: Mapping[int, Rows], count: int) -> tuple[set[_Pair], dict[_Pair, int]]:
    """Pairs of the `count` interfaces that captured the same packets, and of all pairs how many packets both have."""
    own = {number: np.unique(copies[mine]) for number, mine in rows.items()}
    every = np.concatenate(list(own.values()))
    of = np.repeat(list(own), [len(each) for each in own.values()])
    order = np.lexsort((of, every))
    every, of = every[order], of[order]
    both: dict[_Pair, int] = {}
    # The copies of one packet stand together: neighbours at a distance of 1, 2, ... until no packet has so many.
    for distance in range(1, len(own)):
        same = np.flatnonzero(every[distance:] == every[:-distance])
        if not len(same):
            break
        pairs, times = np.unique(of[same] * count + of[same + distance], return_counts=True)
        for pair, found in zip(pairs.tolist(), times.tolist(), strict=True):
            ends = divmod(pair, count)
            both[ends] = both.get(ends, 0) + found
    most = {ends for ends, found in both.items() if found >= _COPIES * min(len(own[each]) for each in ends)}
    return most, both
