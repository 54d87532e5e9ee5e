"""The link layer: where in a frame the network layer's header starts, and which protocol it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from analysis.pcap.columns import I64, U8, U16, Bools, Column, Columns, Rows
from analysis.pcap.frames import Frames, gather

IPV4, IPV6 = 0x0800, 0x86DD
_VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
_MOST_TAGS = 8


@dataclass(frozen=True)
class _Header:
    """A link-layer header: its length, and where in it the protocol's number (an EtherType) stands."""

    size: int
    protocol_at: int


_HEADERS = {1: _Header(14, 12), 113: _Header(16, 14), 276: _Header(20, 0)}  # Ethernet, Linux SLL and SLL2
_RAW_IP = {12, 14, 101, 228, 229}
LINK_TYPES = frozenset(_HEADERS) | _RAW_IP
"""The link types (www.tcpdump.org/linktypes.html) that can be decoded."""


@dataclass(frozen=True, eq=False)
class Payloads(Columns):
    """The network layer of those frames that have one, in the order of the frames."""

    frame: Annotated[Rows, Column("row in `Frames`")]
    at: Annotated[Rows, Column("where the network layer's header starts in the window", "bytes")]
    protocol: Annotated[U16, Column("EtherType")]
    vlan: Annotated[U16, Column("VLAN id of the outermost tag; 0: no tag")]


def network_payloads(data: U8, frames: Frames, link_types: I64) -> Payloads:
    """The network layer of the frames in a window's `data`; `link_types` by interface. Others are left out."""
    link_type = link_types[frames.interface] if len(link_types) > 1 else None
    parts = []
    for number in set(
        link_types.tolist()
    ):  # np.unique would load numpy.ma, as long as a capture of 30,000 packets takes
        rows = np.arange(len(frames)) if link_type is None else np.flatnonzero(link_type == number)
        if number in _HEADERS:
            parts.append(_with_header(data, frames, rows, _HEADERS[number]))
        elif number in _RAW_IP:
            parts.append(_raw(data, frames, rows))
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    joined = Payloads(**Payloads.stack(parts))
    order = np.argsort(joined.frame)
    return joined.take(order)


def _with_header(data: U8, frames: Frames, rows: Rows, header: _Header) -> Payloads:
    rows = _where(rows, frames.captured[rows] >= header.size)
    at = frames.data_at[rows]
    protocol = gather(data, at + header.protocol_at, ">u2").astype(np.uint16)
    at = at + header.size
    vlan = np.zeros(len(rows), np.uint16)
    for _ in range(_MOST_TAGS):
        tagged = np.flatnonzero((protocol >= 0x8100) & np.isin(protocol, _VLAN_TYPES))
        tagged = tagged[frames.captured[rows[tagged]] >= at[tagged] + 4 - frames.data_at[rows[tagged]]]
        if not len(tagged):
            break
        tag = gather(data, at[tagged], [("control", ">u2"), ("protocol", ">u2")])
        vlan[tagged] = np.where(vlan[tagged], vlan[tagged], tag["control"] & 0x0FFF)
        protocol[tagged] = tag["protocol"]
        at[tagged] += 4
    return Payloads(rows, at, protocol, vlan)


def _raw(data: U8, frames: Frames, rows: Rows) -> Payloads:
    rows = _where(rows, frames.captured[rows] >= 1)
    at = frames.data_at[rows]
    version = data[at] >> 4
    protocol = np.select([version == 4, version == 6], [IPV4, IPV6], 0).astype(np.uint16)
    return Payloads(rows, at, protocol, np.zeros(len(rows), np.uint16))


def _where(rows: Rows, wanted: Bools) -> Rows:
    return rows if wanted.all() else rows[wanted]
