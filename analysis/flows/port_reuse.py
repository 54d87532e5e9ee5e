"""A 4-tuple that is used again with the initial sequence number of before: a new connection, or the SYN sent again?

Enters: packets with their 4-tuples, and the SYNs of these. Leaves: which SYNs open a new connection; and strands of
several places, each with the use that it is of.
"""

from __future__ import annotations

import numpy as np

from analysis.flows.grouping import first_rows, last_rows
from analysis.pcap import ACK, FIN, RST, SYN, Packets
from analysis.pcap.columns import U64, Bools, Rows

_WITH_KEY_BYTES = 12


def opened_again(packets: Packets, tuples: Rows, syns: Rows, repeats: Bools) -> Bools:
    """Which of the `syns` (by 4-tuple, then row) that `repeats` says have the number of the one before are new.

    The connection before was established, and then it was finished by both ends (RFC 9293 section 3.6) or reset, or the
    server's key is another one (RFC 8684 section 3.1); or the SYN itself asks for something else. A SYN that is sent
    again while nothing is established may well be answered by another server; so may one behind the RST to a half-open
    connection (RFC 9293 section 3.5.1).
    """
    found = np.zeros(len(syns), np.bool_)
    if not repeats.any():
        return found
    key, stride = tuples[syns], len(packets) + 1
    rows = np.flatnonzero(np.isin(tuples, key[repeats]))
    behind = np.searchsorted(key * stride + syns, tuples[rows] * stride + rows, side="right") - 1
    known = (behind >= 0) & (key[behind] == tuples[rows])
    rows, behind = rows[known], behind[known]
    flags, opener = packets.flags[rows], syns[behind]
    by_opener = (packets.src[rows] == packets.src[opener]) & (packets.sport[rows] == packets.sport[opener])

    def seen(which: Bools) -> Bools:
        there: Bools = np.bincount(behind[which], minlength=len(syns)) > 0
        return there

    fin = (flags & FIN) != 0
    established = seen(by_opener & ((flags & (SYN | RST | ACK)) == ACK))
    finished = seen(fin & by_opener) & (seen(fin & ~by_opener) | ~seen(~by_opener))
    over = established & (finished | seen((flags & RST) != 0))
    answers = ~by_opener & ((flags & (SYN | ACK)) == SYN | ACK)
    answers &= packets.mp_capable.first("length", rows) >= _WITH_KEY_BYTES
    answers, at = rows[answers], behind[answers]
    first, last = first_rows(answers, at, len(syns)), last_rows(answers, at, len(syns))
    changed = (last[:-1] >= 0) & (first[1:] >= 0) & (_keys(packets, last[:-1]) != _keys(packets, first[1:]))
    found[1:] = over[:-1] | established[:-1] & changed | _asks_anew(packets, syns[:-1], syns[1:])
    return found & repeats


def _asks_anew(packets: Packets, one: Rows, other: Rows) -> Bools:
    """Whether of two SYNs the other one has another key (version 0 of MPTCP), or another token or nonce of a join."""
    capable, join = packets.mp_capable, packets.mp_join
    keyed = np.minimum(capable.first("length", one), capable.first("length", other)) >= _WITH_KEY_BYTES
    joins = np.minimum(join.first("length", one), join.first("length", other)) > 0
    anew: Bools = keyed & (_keys(packets, one) != _keys(packets, other))
    for name in ("token", "nonce"):
        anew |= joins & (join.first(name, one) != join.first(name, other))
    return anew


def _keys(packets: Packets, rows: Rows) -> U64:
    return packets.mp_capable.first("sender_key", rows)


def with_uses(packets: Packets, signature: Rows, opening: Rows, tuples: Rows, has_syn: Bools) -> Rows:
    """The signatures of strands of some 4-tuples, other ones for each use of one 4-tuple at one place.

    A strand of another place is of the use that was opened nearest to it in time.
    """
    syns = np.flatnonzero(has_syn)
    syns = syns[np.lexsort((opening[syns], tuples[syns], signature[syns]))]
    mark, at = signature[syns], tuples[syns]
    again = (mark[1:] == mark[:-1]) & (at[1:] == at[:-1])
    if not again.any():
        return signature
    # The place with most uses tells how many there are.
    begins = np.flatnonzero(np.append(True, ~again))
    uses = np.diff(np.append(begins, len(syns)))
    order = np.lexsort((-begins, uses, mark[begins]))
    most = order[np.append(np.diff(mark[begins][order]) != 0, True)]
    told = np.zeros(len(begins), np.bool_)
    told[most[uses[most] > 1]] = True
    listed = syns[np.repeat(told, uses)]
    asked = syns[np.isin(mark, signature[listed])]
    stride = len(packets) + 1
    after = np.searchsorted(signature[listed] * stride + opening[listed], signature[asked] * stride + opening[asked])
    after = np.minimum(after, len(listed) - 1)
    before = np.maximum(after - 1, 0)
    apart = [np.abs(packets.time_ns[opening[listed[each]]] - packets.time_ns[opening[asked]])
             for each in (before, after)]  # fmt: skip
    same = [signature[listed[each]] == signature[asked] for each in (before, after)]
    use = np.where(same[0] & (~same[1] | (apart[0] < apart[1])), before, after)
    result = signature.copy()
    result[asked] = int(signature.max()) + 1 + use
    return result
