"""What packets do, without the numbers that a kernel draws at random: ports, initial sequence numbers, keys.

Two runs of one point with different seeds differ in the first SYN; what a reader wants to know is where they
begin to act differently. Time and window are left out as well: they follow from the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.pcap import ACK, SYN, Packets

COLUMNS = ("connection", "source address", "destination address", "flags", "sequence", "acknowledgement",
           "payload", "option length")  # fmt: skip
"""Names of the columns of `normalised`, in order."""


def normalised(packets: Packets) -> NDArray[np.int64]:
    """One row per packet, one column per name in `COLUMNS`.

    Connections count from 0 in order of appearance (a SYN with a new initial sequence number is a new one);
    sequence and acknowledgement numbers count from the first of their connection and direction.
    """
    source = packets.src.astype(np.int64) << 16 | packets.sport
    target = packets.dst.astype(np.int64) << 16 | packets.dport
    upwards = source < target
    flow = _flows(packets, np.minimum(source, target), np.maximum(source, target))
    sequence = _since_first(packets.seq.astype(np.int64), flow * 2 + upwards)
    base = packets.seq.astype(np.int64) - sequence  # the first of this flow and direction, modulo 2**32
    first = np.zeros(2 * (int(flow.max(initial=-1)) + 1), np.int64)
    first[flow * 2 + upwards] = base
    acknowledgement = (packets.ack.astype(np.int64) - first[flow * 2 + ~upwards]) % 2**32
    return np.column_stack(
        [
            flow,
            packets.src,
            packets.dst,
            packets.flags,
            sequence,
            np.where(packets.flags & ACK, acknowledgement, 0),
            packets.payload_bytes,
            packets.option_bytes,
        ]
    ).astype(np.int64)


def _flows(packets: Packets, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of each packet's flow, in order of appearance."""
    ends, index = np.unique(np.concatenate([low, high]), return_inverse=True)
    tuple_number = index[: len(low)] * len(ends) + index[len(low) :]
    order = np.argsort(tuple_number, kind="stable")
    key, seq = tuple_number[order], packets.seq[order]
    opens = (packets.flags[order] & (SYN | ACK)) == SYN
    at = np.flatnonzero(opens)
    fresh = np.ones(len(at), np.bool_)
    fresh[1:] = (key[at][1:] != key[at][:-1]) | (seq[at][1:] != seq[at][:-1])
    starts = np.zeros(len(key), np.bool_)
    starts[:1] = True
    starts[1:] = key[1:] != key[:-1]
    starts[at[fresh]] = True
    flow = np.empty(len(key), np.int64)
    flow[order] = np.cumsum(starts) - 1
    appears = np.sort(np.unique(flow, return_index=True)[1])
    rank = np.empty(len(appears), np.int64)
    rank[flow[appears]] = np.arange(len(appears))
    return rank[flow]


def _since_first(values: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each value less the first value of its group, modulo 2**32."""
    _, first, member = np.unique(group, return_index=True, return_inverse=True)
    return (values - values[first][member]) % 2**32
