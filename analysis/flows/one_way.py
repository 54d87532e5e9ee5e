"""One-way delays: of each packet that two places captured, the time from the one that is nearer to its sender.

Enters: a client's packets, and packets captured elsewhere, by the same clock (those of a lab are: its nodes are of one
kernel). Leaves: a delay per packet. A place captures a packet when it leaves the queue of the interface there: what it
waited in that queue is in no capture, and what it waited in the others is in the delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.flows.clocks import copies_of
from analysis.pcap import Packets
from analysis.pcap.columns import I64, Bools, Rows

_MOST_NS = 1 << 60


@dataclass(frozen=True, eq=False)
class OneWay:
    """Delays of packets, by row; `unmatched` counts packets that are nowhere else, or not as often."""

    row: Rows
    ns: I64
    unmatched: int


def one_way_delays(packets: Packets, uniflow: Rows, away: Bools, elsewhere: Packets) -> OneWay:
    """The delays between the place of the packets that count and the farthest other one that has them.

    `uniflow` is 2 * flow + direction, `away` which uniflows lead from that place to the others. Several equal packets
    are told apart by their order, where both places have as many; else nobody can tell which one was lost. Times run
    backwards between clocks that differ: the delay is negative then.
    """
    mine = np.flatnonzero(uniflow >= 0)
    keys = copies_of(packets)[mine]
    delay = np.full(len(mine), -_MOST_NS, np.int64)
    others, place = copies_of(elsewhere), elsewhere.place
    sign = np.where(away[uniflow[mine]], 1, -1)
    for each in np.unique(place).tolist():
        there = np.flatnonzero(place == each)
        one, other = _pairs(keys, others[there])
        found = (elsewhere.time_ns[there[other]] - packets.time_ns[mine[one]]) * sign[one]
        delay[one] = np.maximum(delay[one], found)
    known = np.flatnonzero(delay > -_MOST_NS)
    return OneWay(mine[known], delay[known], len(mine) - len(known))


def _pairs(one: I64, other: I64) -> tuple[Rows, Rows]:
    """Places in both of the equal keys; of keys that are there several times each with the one of its own rank."""
    values, number, count = np.unique(one, return_inverse=True, return_counts=True)
    known = np.flatnonzero(np.isin(other, values))
    at = np.searchsorted(values, other)
    there = np.bincount(at[known], minlength=len(values))
    as_many = there == count
    left = np.flatnonzero(as_many[number])
    right = known[as_many[at[known]]]
    left = left[np.argsort(number[left], kind="stable")]
    right = right[np.argsort(at[right], kind="stable")]
    return left, right
