"""Copies of one packet in one capture, each of which counts once: they become places of their own.

Enters: packets of captures, by time. Leaves: the same, where the copies of a flow's packets have interfaces that say
where they were. `tcpdump -i any` on a router has every packet as it comes in and as it goes out; the director of a
balancer has it plain and in a tunnel; a router on one leg, LVS-DR or a mirror port have it twice at one interface.

A flow's copies are told by its packets with data, SYN or FIN: at least half of those of one direction must be there
again within 100 ms, all fields and the IPv4 identification alike. Acknowledgements and RSTs alone prove nothing: a host
sends equal ones itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.flows.clocks import copies_of
from analysis.pcap import FIN, RST, SYN, Interface, Packets, tunnel_name
from analysis.pcap.columns import I64, Bools, Rows

_APART_NS = 100_000_000
_LINUX_COOKED = 113
_SENT = 4
_MOST_INTERFACES, _MOST_PLACES, _MOST_COPIES = 1 << 16, 1000, 255
_MOST_NAMES = 4
# In the number of a place: where what tells it from others begins. Bit 8: sent; bits 0 to 7: which copy.
_DEVICE, _VLAN, _TUNNEL, _ORDINAL_BITS = 29, 17, 9, 8


@dataclass(frozen=True, eq=False)
class _Copies:
    """The rows of packets that are there more than once, by packet and then time: equal `group`, equal packet.

    `where` tells places apart, `ordinal` counts the copies at one of them, `times` how many there are at this one.
    `elsewhere` is whether there is a copy at another one, `first` whether it is the packet's first copy.
    """

    row: Rows
    where: I64
    ordinal: Rows
    times: Rows
    elsewhere: Bools
    first: Bools


def separate_duplicates(packets: Packets) -> tuple[Packets, list[str]]:
    """The packets with an interface per place where one capture has copies of a flow's packets, and a line on each."""
    copies = _find(packets)
    if not len(copies.row):
        return packets, []
    by_place, by_ordinal, tuples = _evidence(packets, copies)
    at = np.searchsorted(tuples, flow := _flows(packets))
    at = np.minimum(at, len(tuples) - 1)
    known = tuples[at] == flow
    of_places = known & by_place[at]
    of_ordinals = known & (by_ordinal[at] > 1)
    if not (of_places | of_ordinals).any():
        return packets, []
    ordinal = np.zeros(len(packets), np.int64)
    ordinal[copies.row] = copies.ordinal
    ordinal = np.where(of_ordinals, ordinal % np.maximum(by_ordinal[at], 1), 0)
    where = np.where(of_places, where_captured(packets), 0)
    place = where << _ORDINAL_BITS | np.minimum(ordinal, _MOST_COPIES)
    again = copies.row[~copies.first]
    return _renumbered(packets, place, again[(of_places | of_ordinals)[again]])


def where_captured(packets: Packets) -> I64:
    """A number of what tells the places of one capture apart; 0 where nothing does."""
    link_types = np.array([interface.link_type for interface in packets.interfaces] or [0], np.int64)
    sent = (packets.packet_type == _SENT) & (link_types[packets.interface] == _LINUX_COOKED)
    # The index of an interface has 31 bits at most.
    where = (packets.device.astype(np.int64) & 0x7FFFFFFF) << (_DEVICE - _ORDINAL_BITS)
    where |= packets.vlan.astype(np.int64) << (_VLAN - _ORDINAL_BITS)
    where |= packets.tunnel.astype(np.int64) << (_TUNNEL - _ORDINAL_BITS)
    found: I64 = where | sent
    return found


def _flows(packets: Packets) -> I64:
    """A number per packet that the packets between the same two ends have, and hardly any other."""
    source = packets.src.astype(np.uint64) << np.uint64(16) | packets.sport
    target = packets.dst.astype(np.uint64) << np.uint64(16) | packets.dport
    mixed = np.minimum(source, target) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(29) ^ np.maximum(source, target)) * np.uint64(0xBF58476D1CE4E5B9)
    found: I64 = mixed.view(np.int64)
    return found


def _find(packets: Packets) -> _Copies:
    also = (packets.src, packets.dst, packets.sport, packets.window, packets.ts_echo, packets.interface)
    same = copies_of(packets, *also)
    order = np.argsort(same, kind="stable")
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (same[order[1:]] != same[order[:-1]]) | (np.diff(packets.time_ns[order]) > _APART_NS)
    group = np.cumsum(fresh) - 1
    several = np.flatnonzero(np.bincount(group, minlength=1)[group] > 1)
    row, group, first = order[several], group[several], fresh[several]
    where = where_captured(packets)[row]
    inner = np.lexsort((row, where, group))
    row, group, where, first = row[inner], group[inner], where[inner], first[inner]
    begins = np.ones(len(row), np.bool_)
    begins[1:] = (group[1:] != group[:-1]) | (where[1:] != where[:-1])
    start = np.flatnonzero(begins)
    times = np.diff(np.append(start, len(row)))
    run = np.cumsum(begins) - 1
    return _Copies(
        row=row,
        where=where,
        ordinal=np.arange(len(row)) - start[run],
        times=times[run],
        elsewhere=times[run] < _count_of(group),
        first=first,
    )


def _count_of(group: Rows) -> Rows:
    """How many elements have the same number as each."""
    return np.bincount(group, minlength=1)[group].astype(np.int64)


def _evidence(packets: Packets, copies: _Copies) -> tuple[Bools, Rows, I64]:
    """Per flow with copies: whether several places have them, how many copies one place has (1: one), the flow."""
    flow = _flows(packets)
    tuples = np.unique(flow[copies.row])
    at = np.minimum(np.searchsorted(tuples, flow), len(tuples) - 1)
    known = tuples[at] == flow
    forward = (packets.src > packets.dst) | (packets.src == packets.dst) & (packets.sport > packets.dport)
    uniflow = at * 2 + forward
    tells = (packets.payload_bytes > 0) | ((packets.flags & (SYN | FIN)) != 0)
    tells &= (packets.flags & RST) == 0
    uniflows = 2 * len(tuples)

    def count(rows: NDArray[Any]) -> Rows:
        return np.bincount(uniflow[rows], minlength=uniflows).astype(np.int64)

    total = count(known & tells)
    telling = tells[copies.row]
    elsewhere = count(copies.row[telling & copies.elsewhere])
    here = count(copies.row[telling & (copies.times > 1)])
    opened = count(copies.row[copies.elsewhere & ((packets.flags[copies.row] & SYN) != 0)])
    # Of a flow of which only acknowledgements and RSTs are there, copies at two interfaces are evidence enough.
    silent = total.reshape(-1, 2).sum(axis=1) == 0
    any_elsewhere = count(copies.row[copies.elsewhere])
    by_place = ((elsewhere * 2 >= total) & (elsewhere > 0) | (opened > 0)).reshape(-1, 2).any(axis=1)
    by_place |= silent & (any_elsewhere.reshape(-1, 2).sum(axis=1) > 0)
    doubled = ((here * 2 >= total) & (here > 0)).reshape(-1, 2).any(axis=1)
    fewest = np.full(len(tuples), np.iinfo(np.int64).max)
    rows = telling & (copies.times > 1)
    np.minimum.at(fewest, at[copies.row[rows]], copies.times[rows])
    return by_place, np.where(doubled, fewest, 1), tuples


def _renumbered(packets: Packets, place: I64, again: Rows) -> tuple[Packets, list[str]]:
    """The packets with an interface for each place that is not 0 (the interface itself), and what there is to say."""
    moved = np.flatnonzero(place)
    interfaces = list(packets.interfaces)
    number = packets.interface.astype(np.int64)
    seen: dict[int, list[str]] = {}
    for base in sorted(set(packets.interface[moved].tolist())):
        mine = moved[packets.interface[moved] == base]
        for each in np.unique(place[mine])[:_MOST_PLACES].tolist():
            name = _name(each, is_cooked=interfaces[base].link_type == _LINUX_COOKED)
            seen.setdefault(base, []).append(name)
            if len(interfaces) < _MOST_INTERFACES:
                number[mine[place[mine] == each]] = len(interfaces)
                interfaces.append(_part_of(interfaces[base], name))
    changed = replace(packets, interface=number.astype(np.uint16), interfaces=tuple(interfaces))
    return changed, [_note(packets, base, names, again) for base, names in seen.items()]


def _part_of(interface: Interface, name: str) -> Interface:
    return replace(interface, name=" ".join(filter(None, (interface.name, name))))


def _name(place: int, *, is_cooked: bool) -> str:
    device, vlan = place >> _DEVICE, place >> _VLAN & 0xFFF
    tunnel, ordinal = place >> _TUNNEL & 0xFF, place & 0xFF
    parts = (
        f"index {device}" if device else "",
        "outgoing" if is_cooked and place >> _ORDINAL_BITS & 1 else "",
        f"VLAN {vlan}" if vlan else "",
        f"in {tunnel_name(tunnel)}" if tunnel else "",
        f"copy {ordinal + 1}" if ordinal else "",
    )
    return ", ".join(filter(None, parts))


def _note(packets: Packets, base: int, names: list[str], again: Rows) -> str:
    count = int(np.count_nonzero(packets.interface[again] == base))
    total = int(np.count_nonzero(packets.interface == base))
    interface = packets.interfaces[base]
    places = "; ".join(names[:_MOST_NAMES])
    more = f"; {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    what = "" if interface.link_type != _LINUX_COOKED else "; SLL names no interfaces, only directions"
    return (
        f"{interface.file}: {count} of {total} TCP packets are copies of others (seen {places}{more}{what}): "
        "each packet counts once"
    )
