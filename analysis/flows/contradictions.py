"""Strands that cannot be of one connection, though they have its SYN or its ends: one has more than another's FIN ends.

Enters: packets in strands, and which of these are taken for one flow. Leaves: the same, where those that contradict
each other are several. Two runs of one seed in virtual time have the same addresses, ports and numbers at the same
time, and yet each a length of its own.
"""

from __future__ import annotations

import numpy as np

from analysis.flows.grouping import first_rows, numbers
from analysis.flows.sequence_numbers import run_begins, unwrap
from analysis.flows.strands import Strands
from analysis.pcap import FIN, RST, Packets
from analysis.pcap.columns import I64, Bools, Rows

_NOTHING = np.iinfo(np.int64).min


def without_contradictions(packets: Packets, strands: Strands, signature: Rows) -> Rows:
    """The signatures, other ones for strands of one flow that end at different sequence numbers.

    No payload comes behind a FIN (RFC 9293 section 3.6). A strand without a FIN is of the shortest connection that has
    all that it sent.
    """
    for from_opener in (False, True):
        flow, flows = numbers(signature)
        several = np.bincount(flow, minlength=flows)[flow] > 1
        if not several.any():
            break
        sent, fin, has_fin = _ends(packets, strands, flow, several, from_opener=from_opener)
        furthest = np.full(flows, _NOTHING)
        np.maximum.at(furthest, flow, sent)
        first_fin = np.full(flows, np.iinfo(np.int64).max)
        np.minimum.at(first_fin, flow[has_fin], fin[has_fin])
        contradicts = (furthest > first_fin)[flow]
        if contradicts.any():
            length = _lengths(flow, sent, fin, has_fin)
            values, count = numbers(length)
            signature = np.where(contradicts, flows + flow * count + values, flow)
    return signature


def _ends(
    packets: Packets, strands: Strands, flow: Rows, several: Bools, *, from_opener: bool
) -> tuple[I64, I64, Bools]:
    """Per strand the end of its payload in a direction, that at which its FIN is, relative to its flow; has it one?

    A FIN that has payload of its own strand behind it is none.
    """
    strand, size = strands.of_packet, packets.payload_bytes
    is_fin = (packets.flags & (FIN | RST)) == FIN
    rows = np.flatnonzero(((size > 0) | is_fin) & several[strand] & (strands.from_opener == from_opener))
    rows = rows[np.argsort(strand[rows], kind="stable")]
    of = strand[rows]
    begins = run_begins(of)
    starts = rows[begins]
    reference = first_rows(np.arange(len(starts)), flow[strand[starts]], int(flow.max()) + 1)[flow[strand[starts]]]
    base = (packets.seq[starts] - packets.seq[starts[reference]]).view(np.int32).astype(np.int64)
    end = unwrap(packets.seq[rows], begins) + base[np.cumsum(begins) - 1] + size[rows]
    sent, fin = np.full(len(flow), _NOTHING), np.full(len(flow), _NOTHING)
    loaded = size[rows] > 0
    np.maximum.at(sent, of[loaded], end[loaded])
    np.maximum.at(fin, of[is_fin[rows]], end[is_fin[rows]])
    return sent, fin, (fin > _NOTHING) & (fin >= sent)


def _lengths(flow: Rows, sent: I64, fin: I64, has_fin: Bools) -> I64:
    """Where each strand's connection ends: at its own FIN, else at the next one of its flow, else nowhere (-1)."""
    _, place = np.unique(np.concatenate([sent, np.where(has_fin, fin, sent)]), return_inverse=True)
    sent, fin = np.split(place.astype(np.int64), 2)
    count = len(place) + 1
    known = np.unique(flow[has_fin] * count + fin[has_fin])
    at = np.minimum(np.searchsorted(known, flow * count + sent), len(known) - 1)
    later = np.where((known[at] // count == flow) & (known[at] % count >= sent), known[at] % count, -1)
    return np.where(has_fin, fin, later)
