"""Strands: flows as one place (an interface, or several that captured in turn) saw them; no loop over packets.

Enters: packets. Leaves: the strand of each packet, and where each strand begins. A SYN with a new initial sequence
number opens one, or two that cross; packets of a 4-tuple before its first SYN, or without any, are a midstream one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from analysis.flows.duplicates import where_captured
from analysis.flows.grouping import first_rows, numbers
from analysis.flows.port_reuse import opened_again
from analysis.flows.simultaneous_open import crossing_syns
from analysis.pcap import ACK, RST, SYN, Packets
from analysis.pcap.columns import I64, U32, Bools, Rows

_PORT_BITS = 16


@dataclass(frozen=True, eq=False)
class Strands:
    """Per packet `of_packet`, its strand, and `from_opener`.

    Per strand: `opening`, the row of its SYN (of its first packet for a midstream one), `has_syn`, the number of its
    4-tuple at its place, `tuples`, and its ends `opener` and `other` (address << 16 | port).
    """

    of_packet: Rows
    from_opener: Bools
    opening: Rows
    has_syn: Bools
    tuples: Rows
    opener: I64
    other: I64


def find_strands(packets: Packets, servers: Collection[int] = ()) -> Strands:
    """The strands; `servers` are addresses that tell the ends of a midstream one apart."""
    source = packets.src.astype(np.int64) << _PORT_BITS | packets.sport
    target = packets.dst.astype(np.int64) << _PORT_BITS | packets.dport
    rows = len(packets)
    ends, count = numbers(np.concatenate([source, target]))
    tuples, total = numbers(np.minimum(ends[:rows], ends[rows:]) * count + np.maximum(ends[:rows], ends[rows:]))
    if len(set(packets.places) or packets.interfaces) > 1:
        tuples, total = numbers(tuples * len(packets.interfaces) + packets.place)
    tuples, total = _by_network(packets, tuples, total, source)
    crossing = crossing_syns(packets)
    strand, opening, has_syn = _begun(packets, tuples, total, crossing)
    sent = _sent_by_opener(packets, opening, has_syn, np.array(sorted(servers), np.int64))
    sent &= ~np.isin(opening, crossing[0])
    opener = np.where(sent, source[opening], target[opening])
    other = np.where(sent, target[opening], source[opening])
    return Strands(strand, source == opener[strand], opening, has_syn, tuples[opening], opener, other)


def _by_network(packets: Packets, tuples: Rows, total: int, source: I64) -> tuple[Rows, int]:
    """The 4-tuples, apart where two networks in one capture (VLANs, devices, tunnels) use one at the same time.

    So it is if each has SYNs of its own, and the earlier connection goes on in its network behind the other one's SYN:
    its sequence numbers do. A connection that changes from one network to another is one.
    """
    where = where_captured(packets)
    if not len(where) or (where == where[0]).all():
        return tuples, total
    network, networks = numbers(where)
    group, groups = numbers(tuples * networks + network)
    syns = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN)
    first = first_rows(syns, group[syns], groups)
    opens = first[first >= 0]
    opens = opens[np.lexsort((opens, tuples[opens]))]
    one, other = opens[:-1], opens[1:]
    pairs = (tuples[one] == tuples[other]) & (source[one] == source[other]) & (packets.seq[one] != packets.seq[other])
    one, other = one[pairs], other[pairs]
    if not len(one):
        return tuples, total
    rows = np.flatnonzero(np.isin(group, group[one]) & ((packets.flags & (SYN | RST | ACK)) == ACK))
    rows = rows[np.argsort(group[rows], kind="stable")]
    stride = len(packets) + 1
    at = np.searchsorted(group[rows] * stride + rows, group[one] * stride + other)
    rows = np.append(rows, rows[-1:])  # one behind the last, for what has none there
    if not len(rows):
        return tuples, total
    before = np.where((at > 0) & (group[rows[at - 1]] == group[one]), rows[at - 1], one)
    after = rows[at]
    goes_on = (group[after] == group[one]) & (after > other)

    def number(row: Rows) -> U32:
        """The opener's sequence number, as it sends or the other end acknowledges it."""
        return np.where(source[row] == source[one], packets.seq[row], packets.ack[row])

    goes_on &= _distance(number(after), number(before)) < _distance(number(after), packets.seq[other])
    apart = np.isin(tuples, tuples[one[goes_on]])
    return numbers(np.where(apart, total + group, tuples))


def _distance(one: U32, other: U32) -> I64:
    return np.abs((one - other).view(np.int32).astype(np.int64))


def _begun(packets: Packets, tuples: Rows, total: int, crossing: tuple[Rows, U32]) -> tuple[Rows, Rows, Bools]:
    """The strand of each packet of `total` 4-tuples, each strand's row of opening, and whether that is a SYN.

    The SYNs `crossing` an opener's belong to the strand that this opens; they have its number here.
    """
    rows = len(packets)
    appears = first_rows(np.arange(rows), tuples, total)
    syns = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN)
    by_tuple = syns[np.lexsort((syns, tuples[syns]))]
    seq = packets.seq.copy()
    seq[crossing[0]] = crossing[1]
    key, isn = tuples[by_tuple], seq[by_tuple]
    fresh = np.ones(len(by_tuple), np.bool_)
    fresh[1:] = (key[1:] != key[:-1]) | (isn[1:] != isn[:-1])
    fresh |= opened_again(packets, tuples, by_tuple, ~fresh)
    by_tuple, key = by_tuple[fresh], key[fresh]
    first_syn = np.full(total, rows, np.int64)
    first_syn[key[::-1]] = by_tuple[::-1]
    midstream = np.flatnonzero(appears < first_syn)

    # A packet belongs to the last strand of its 4-tuple that began before it.
    begins = np.concatenate([by_tuple, appears[midstream]])
    of_tuple = np.concatenate([key, midstream])
    has_syn = np.arange(len(begins)) < len(by_tuple)
    order = np.lexsort((begins, of_tuple))
    begins, of_tuple, has_syn = begins[order], of_tuple[order], has_syn[order]
    strands_of = np.bincount(of_tuple, minlength=total)
    last_strand = np.cumsum(strands_of) - 1
    strand = last_strand[tuples]
    several = np.flatnonzero(strands_of[tuples] > 1)
    if len(several):
        stride = rows + 1
        at = tuples[several] * stride + several
        strand[several] = np.searchsorted(of_tuple * stride + begins, at, side="right") - 1
    if len(crossing[0]):
        own = np.setdiff1d(syns, crossing[0])
        opened = first_rows(own, strand[own], len(begins))
        begins = np.where(opened >= 0, opened, begins)
    return strand, begins, has_syn


def _sent_by_opener(packets: Packets, opening: Rows, has_syn: Bools, servers: Rows) -> Bools:
    """Whether the first packet of each strand came from the end that opened it; a guess for a midstream one."""
    from_server, to_server = np.isin(packets.src[opening], servers), np.isin(packets.dst[opening], servers)
    is_answer = (packets.flags[opening] & (SYN | ACK)) == SYN | ACK
    low_port = packets.sport[opening] < packets.dport[opening]
    guess = np.where(from_server != to_server, to_server, ~low_port)
    return np.where(has_syn, True, np.where(is_answer, False, guess))
