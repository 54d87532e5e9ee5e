"""IPv6 extension headers (RFC 8200 section 4): what stands behind them, and which part of a packet a fragment is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.pcap.columns import U8, U16, U32, Bools, Rows
from analysis.pcap.frames import gather

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS, _MOBILITY, _HIP, _SHIM6 = 0, 43, 44, 51, 60, 135, 139, 140
EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS, _MOBILITY, _HIP, _SHIM6)
_MOST_EXTENSIONS = 16


@dataclass(frozen=True)
class Upper:
    """What follows the extension headers: its protocol, where it starts, and whether a later fragment holds it.

    `part` is as IPv4 has it: whether more fragments follow (0x2000), and where it starts in what was fragmented, in
    units of 8 bytes; 0 for a packet that is whole. `ident` is the datagram's identification.
    """

    protocol: U8
    at: Rows
    is_later: Bools
    part: U16
    ident: U32


def past_extensions(data: U8, at: Rows, protocol: U8, stop: Rows) -> Upper:
    """What is behind the extension headers that start `at` with this protocol; `at` and `protocol` are changed."""
    is_later = np.zeros(len(at), np.bool_)
    part, ident, part_at = np.zeros(len(at), np.uint16), np.zeros(len(at), np.uint32), at.copy()
    for _ in range(_MOST_EXTENSIONS):
        rows = np.flatnonzero(np.isin(protocol, EXTENSIONS) & (at + 8 <= stop) & ~is_later)
        if not len(rows):
            break
        start = gather(data, at[rows], [("next", "u1"), ("size", "u1"), ("fragment", ">u2"), ("ident", ">u4")])
        kind = protocol[rows]
        size = np.where(kind == _AUTHENTICATION, (start["size"].astype(np.int64) + 2) * 4, 0)
        size = np.where(size == 0, (start["size"].astype(np.int64) + 1) * 8, size)
        size[kind == _FRAGMENT] = 8
        fragment = kind == _FRAGMENT
        is_later[rows] = fragment & (start["fragment"] & 0xFFF8 != 0)
        protocol[rows] = start["next"]
        at[rows] += size
        if fragment.any():
            parts = rows[fragment]
            part[parts] = start["fragment"][fragment] >> 3 | start["fragment"][fragment] << 13
            ident[parts] = start["ident"][fragment]
            part_at[parts] = at[parts]
    first = np.flatnonzero((part & 0x2000 > 0) & ~is_later)
    part[first] += ((at[first] - part_at[first]) // 8).astype(np.uint16)
    return Upper(protocol, at, is_later, part, ident)
