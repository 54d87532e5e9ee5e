"""Round trips of every subflow over time: what was sent until it was acknowledged, or until its time stamp came back.

Enters: packets with their flow and direction. Leaves: `RoundTrips`, a sample per acknowledgement. A round trip is that
from the place of capture to the receiver and back: at the sender it is the sender's own, at the receiver the time until
it acknowledges.

* By acknowledgements: a sample for the newest packet that an ACK covers. As Karn and Partridge have it, none where
  something was sent again in between: nobody could say what was acknowledged.
* By time stamps (RFC 7323): from the first packet with a TSval to the first that echoes it, as `pping` does it. On a
  connection where one end has nothing to say for a while that may be longer than the round trip: the smallest count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.sequence import Acknowledgements, SequenceSpace, UniflowIndex
from analysis.flows.sequence_numbers import pair_keys, run_begins, running_maximum, unwrap
from analysis.pcap import FIN, SYN, Option, Packets
from analysis.pcap.columns import I64, Bools, Rows

DELAYED_NS, MOST_DELAYED_NS = 20_000_000, 500_000_000
"""An ACK of less than two full segments that takes so much longer than the quickest has been delayed on purpose: Linux
waits 40 ms at least, by a clock of 10 ms, and RFC 5681 section 4.2 allows half a second."""

_FULL_BYTES = 1460


@dataclass(frozen=True, eq=False)
class RoundTrips:
    """Samples in order of the acknowledging packet's row, `ack_row`.

    `sent_row` is the packet that is acknowledged, `uniflow` its uniflow, `is_handshake` says that it is a SYN (or a
    SYN+ACK), `is_delayed` that the ACK was delayed on purpose: its sample says nothing of the way.
    """

    ack_row: Rows
    sent_row: Rows
    uniflow: Rows
    ns: I64
    is_handshake: Bools
    is_delayed: Bools


def by_acknowledgements(packets: Packets, acks: Acknowledgements, space: SequenceSpace) -> RoundTrips:
    """The samples by ACKs, without those that Karn's rule leaves out."""
    index = space.index
    ack_row = _first_acks(packets, acks, space)
    again = np.cumsum(space.repeated > 0)
    at = np.arange(len(index.rows))
    # Of the packets that one ACK is the first to cover, the newest one tells; they stand together.
    covers = run_begins(ack_row, index.uniflow)
    newest = np.roll(covers, -1)
    last_sent = index.last_before(index.uniflow, np.maximum(ack_row, 0))
    sent_again = again[np.maximum(last_sent, at)] > np.where(at > 0, again[at - 1], 0)
    chosen = np.flatnonzero((ack_row >= 0) & newest & ~sent_again)
    chosen = chosen[np.argsort(ack_row[chosen], kind="stable")]
    sent, acked, of = index.rows[chosen], ack_row[chosen], index.uniflow[chosen]
    ns = packets.time_ns[acked] - packets.time_ns[sent]
    is_handshake = (packets.flags[sent] & SYN) != 0
    return RoundTrips(
        acked, sent, of, ns, is_handshake, _delayed(ns, of, is_handshake, _covered(chosen, covers, space))
    )


def _first_acks(packets: Packets, acks: Acknowledgements, space: SequenceSpace) -> Rows:
    """For each packet in `space.index` the row of the first ACK of all of it.

    -1 where no ACK came, or one that came before the packet: then it was not needed.
    """
    index, telling = space.index, acks.index
    end = space.start + space.payload + _unseen(packets, index)
    if not len(telling.rows) or not len(index.rows):
        return np.full(len(index.rows), -1, np.int64)
    begins, of = telling.begins, telling.uniflow ^ 1
    # An ACK's number is of what the other direction sent: both are counted from that direction's first packet.
    first_of, origin = index.uniflow[index.begins], packets.seq[index.rows[index.begins]]
    place = np.minimum(np.searchsorted(first_of, of), len(first_of) - 1)
    first_ack = packets.ack[telling.rows[begins]]
    ahead = (first_ack - origin[place[begins]]).astype(np.uint32).view(np.int32).astype(np.int64)
    reached = acks.reached + ahead[np.cumsum(begins) - 1]
    keep = np.flatnonzero((first_of[place] == of) & (reached >= 0))
    # What an ACK acknowledges and the direction that sent it: in order of both, for those of a uniflow stand together.
    key, wanted = pair_keys((of[keep], reached[keep]), (index.uniflow, np.maximum(end, 0)))
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted)
    inside = at < len(order)
    row = np.full(len(end), -1, np.int64)
    found = keep[order[at[inside]]]
    same = of[found] == index.uniflow[inside]
    row[np.flatnonzero(inside)[same]] = telling.rows[found[same]]
    return np.where(row > index.rows, row, -1)


def _unseen(packets: Packets, index: UniflowIndex) -> I64:
    """What SYN and FIN take of the sequence, beside the payload."""
    flags = packets.flags[index.rows]
    taken: I64 = ((flags & SYN) != 0).astype(np.int64) + ((flags & FIN) != 0)
    return taken


def _covered(chosen: Rows, covers: Bools, space: SequenceSpace) -> Bools:
    """Whether each sample's ACK is the first of less than two full segments, which a receiver may delay.

    `covers` says where the packets begin of which one ACK is the first.
    """
    uniflow = space.index.uniflow
    run = np.cumsum(covers) - 1
    size = np.bincount(run, space.payload) if len(run) else np.empty(0)
    largest = np.zeros(int(uniflow.max(initial=-1)) + 1, np.int64)
    np.maximum.at(largest, uniflow, space.payload)
    # What is one record here may have been several segments on the wire: what fits into one counts.
    full = np.minimum(largest[uniflow[chosen]], _FULL_BYTES)
    found: Bools = size[run[chosen]] < 2 * np.maximum(full, 1)
    return found


def _delayed(ns: I64, uniflow: Rows, is_handshake: Bools, may_wait: Bools) -> Bools:
    least = np.full(int(uniflow.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, uniflow, ns)
    longer = ns - least[uniflow]
    found: Bools = ~is_handshake & may_wait & (longer >= DELAYED_NS) & (longer <= MOST_DELAYED_NS)
    return found


def by_time_stamps(packets: Packets, every: UniflowIndex) -> RoundTrips:
    """The samples by time stamps; none of them is known to be delayed. `every` has all packets that count."""
    index = every.select((packets.options & Option.TIMESTAMPS) != 0)
    stamped, of, begins = index.rows, index.uniflow, index.begins
    value, asks = _first_seen(packets.ts_value[stamped], begins)
    echo, tells = _first_seen(packets.ts_echo[stamped], begins)
    # Both are counted from the first TSval of the uniflow that has sent them.
    origin = np.zeros(int(of.max(initial=-1)) + 2, np.uint32)
    origin[of[begins]] = packets.ts_value[stamped[begins]]
    answers = np.zeros(len(origin), np.bool_)
    answers[of] = True
    tells &= (packets.ts_echo[stamped] > 0) & answers[of ^ 1]  # a SYN echoes nothing yet
    ahead = (packets.ts_echo[stamped[begins]] - origin[of[begins] ^ 1]).astype(np.uint32).view(np.int32)
    echo = echo + ahead.astype(np.int64)[np.cumsum(begins) - 1]
    tells &= echo >= 0
    asked, told = pair_keys((of[asks], value[asks]), (of[tells] ^ 1, echo[tells]))
    at = np.searchsorted(asked, told)
    at[at == len(asked)] = 0
    sent, echoed = stamped[asks][at], stamped[tells]
    matched = np.flatnonzero((asked[at] == told) & (sent < echoed))
    matched = matched[np.argsort(echoed[matched], kind="stable")]
    sent, echoed, of = sent[matched], echoed[matched], of[asks][at[matched]]
    nothing = np.zeros(len(sent), np.bool_)
    return RoundTrips(
        echoed, sent, of, packets.time_ns[echoed] - packets.time_ns[sent],
        (packets.flags[sent] & SYN) != 0, nothing,
    )  # fmt: skip


def _first_seen(numbers: NDArray[np.uint32], begins: Bools) -> tuple[I64, Bools]:
    """The numbers of each run from its first one on, and which of them are greater than all before."""
    relative = unwrap(numbers, begins)
    fresh = begins.copy()
    if len(relative):
        fresh[1:] |= relative[1:] > running_maximum(relative, begins)[:-1]
    return relative, fresh


@dataclass(frozen=True, eq=False)
class Spread:
    """Of each group of samples: how many, the least, the median, the 95th percentile and the greatest (ns; 0: none)."""

    count: I64
    least: I64
    median: I64
    high: I64
    most: I64


def spread(group: Rows, values: NDArray[np.int64], groups: int) -> Spread:
    """The spread of the values of each group; a percentile is the smallest value that so many do not exceed."""
    order = np.lexsort((values, group))
    ordered = values[order]
    count = np.bincount(group, minlength=groups).astype(np.int64)
    begin = np.cumsum(count) - count
    some = np.flatnonzero(count)

    def at(percent: int) -> I64:
        found = np.zeros(groups, np.int64)
        rank = np.maximum(-(-count[some] * percent // 100) - 1, 0)
        found[some] = ordered[begin[some] + rank]
        return found

    return Spread(count, at(0), at(50), at(95), at(100))
