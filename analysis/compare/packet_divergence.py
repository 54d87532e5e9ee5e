"""The first packet at which two captures of one interface part, and the packets that led up to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.compare import normalisation
from analysis.compare.packet_text import Capture, PacketText
from analysis.flows.addresses import Addresses
from analysis.flows.connections import find_connections
from analysis.flows.tcp_flows import Flows
from analysis.pcap import Packets, merge
from testbed.base.errors import AnalysisError
from testbed.base.files import open_regular

_CHUNK_BYTES = 1 << 22
_Ends = tuple[int, ...]  # address, port, address, port
_FIELDS = {
    "time_ns": "time",
    "src": "source address",
    "sport": "source port",
    "dst": "destination address",
    "dport": "destination port",
    "flags": "flags",
    "seq": "sequence number",
    "ack": "acknowledgement",
    "window": "window",
    "payload_bytes": "payload length",
}


@dataclass(frozen=True)
class PacketDivergence:
    """Where two captures part: packet `number` (from 1) on `interface`, `t_s` seconds after the workload's start.

    `fields` are the header fields that differ. `ours` or `theirs` is None where that capture has already
    ended. `connection` and `before` are the packets before it, of its connection on all interfaces and of the
    interface; both are the same in both runs.
    """

    interface: str
    number: int
    t_s: float
    fields: tuple[str, ...]
    ours: PacketText | None
    theirs: PacketText | None
    connection: tuple[PacketText, ...]
    before: tuple[PacketText, ...]


def first_differing_byte(ours: Path, theirs: Path) -> int | None:
    """Offset of the first byte that differs, or where the shorter file ends; None for equal files."""
    try:
        with open_regular(ours) as one, open_regular(theirs) as other:
            offset = 0
            while True:
                left, right = one.read(_CHUNK_BYTES), other.read(_CHUNK_BYTES)
                if left != right:
                    size = min(len(left), len(right))
                    unequal = np.frombuffer(left, np.uint8, size) != np.frombuffer(right, np.uint8, size)
                    return offset + (int(unequal.argmax()) if unequal.any() else size)
                if not left:
                    return None
                offset += len(left)
    except OSError as error:
        raise AnalysisError(f"{error.filename}: {error.strerror or error}") from error


def in_bytes(
    ours: Sequence[Capture], theirs: Mapping[str, Capture], addresses: Addresses, count: int
) -> list[PacketDivergence]:
    """For each interface that differs the first packet that does, in order of time; `count` packets of context."""
    found = []
    for capture in ours:
        other = theirs[capture.interface]
        offset = first_differing_byte(capture.path, other.path)
        if offset is not None:
            # Up to that byte both files have the same records, so a row number means the same in both.
            starts = max((capture.packets.record_offset, other.packets.record_offset), key=len)
            row = max(int(np.searchsorted(starts, offset, side="right")) - 1, 0)
            found.append(_describe(capture, other=other, row=row, ours=ours, addresses=addresses, count=count))
    return sorted(found, key=lambda divergence: divergence.t_s)


def in_normalised_packets(
    ours: Sequence[Capture], theirs: Mapping[str, Capture], addresses: Addresses, count: int
) -> list[PacketDivergence]:
    """The same, for what packets do and not for the numbers that the kernel draws (see `normalisation`)."""
    found = []
    for capture in ours:
        other = theirs[capture.interface]
        left, right = normalisation.normalised(capture.packets), normalisation.normalised(other.packets)
        size = min(len(left), len(right))
        unequal = (left[:size] != right[:size]).any(axis=1)
        if unequal.any() or len(left) != len(right):
            row = int(unequal.argmax()) if unequal.any() else size
            divergence = _describe(capture, other=other, row=row, ours=ours, addresses=addresses, count=count)
            if row < size:
                differs = (left[row] != right[row]).tolist()
                names = [name for name, differing in zip(normalisation.COLUMNS, differs, strict=True) if differing]
                divergence = replace(divergence, fields=tuple(names))
            found.append(divergence)
    return sorted(found, key=lambda divergence: divergence.t_s)


def _describe(
    capture: Capture, other: Capture, row: int, ours: Sequence[Capture], addresses: Addresses, count: int
) -> PacketDivergence:
    mine = capture.text(row) if row < len(capture.packets) else None
    its = other.text(row) if row < len(other.packets) else None
    if mine is None and its is None:
        raise AnalysisError(f"{capture.path}: differs from {other.path} in what is no TCP packet")
    fields = () if mine is None or its is None else _differing_fields(capture, other, row)
    before = range(max(0, row - count), min(row, len(capture.packets)))
    return PacketDivergence(
        interface=capture.interface,
        number=row + 1,
        t_s=min(text.t_s for text in (mine, its) if text is not None),
        fields=fields,
        ours=mine,
        theirs=its,
        connection=_connection(capture if mine else other, row=row, ours=ours, addresses=addresses, count=count),
        before=tuple(capture.text(number) for number in before),
    )


def _differing_fields(capture: Capture, other: Capture, row: int) -> tuple[str, ...]:
    names = [
        name
        for column, name in _FIELDS.items()
        if getattr(capture.packets, column)[row] != getattr(other.packets, column)[row]
    ]
    if capture.options(row) != other.options(row):
        names.append("options")
    return tuple(names) or ("other header bytes",)


def _connection(
    capture: Capture, row: int, ours: Sequence[Capture], addresses: Addresses, count: int
) -> tuple[PacketText, ...]:
    """The last `count` packets before that row, on all interfaces of our run, of the row's connection."""
    until_ns = int(capture.packets.time_ns[row])
    subflows = _subflows(capture, row, find_connections(merge([each.packets for each in ours]), addresses).flows)
    found: list[PacketText] = []
    for each in ours:
        packets = each.packets
        wanted = np.zeros(len(packets), np.bool_)
        for ends, opened_ns in subflows:
            wanted |= _between(packets, ends) & (packets.time_ns >= opened_ns)
        wanted &= packets.time_ns <= until_ns
        if each.interface == capture.interface:
            wanted[row:] = False
        last = np.flatnonzero(wanted)[-count:] if count else np.empty(0, np.int64)
        found += map(each.text, last.tolist())
    found.sort(key=lambda packet: (packet.t_s, packet.interface, packet.number))
    return tuple(found[-count:])


def _subflows(capture: Capture, row: int, flows: Flows) -> list[tuple[_Ends, int]]:
    """Ends and opening time of every subflow that the row's connection has by then."""
    packets = capture.packets
    ends = tuple(int(column[row]) for column in (packets.src, packets.sport, packets.dst, packets.dport))
    columns = (flows.client_address, flows.client_port, flows.server_address, flows.server_port)
    by_then = flows.opened_ns <= packets.time_ns[row]
    mine = by_then & (_equal(columns, ends) | _equal(columns, ends[2:] + ends[:2]))
    if not mine.any():
        return [(ends, 0)]
    connection = flows.connection[np.flatnonzero(mine)[-1]]
    if connection >= 0:
        mine = by_then & (flows.connection == connection)
    else:
        mine[: np.flatnonzero(mine)[-1]] = False
    return [
        (tuple(int(column[number]) for column in columns), int(flows.opened_ns[number]))
        for number in np.flatnonzero(mine).tolist()
    ]


def _between(packets: Packets, ends: _Ends) -> NDArray[np.bool_]:
    columns = (packets.src, packets.sport, packets.dst, packets.dport)
    return _equal(columns, ends) | _equal(columns, ends[2:] + ends[:2])


def _equal(columns: Sequence[NDArray[Any]], values: _Ends) -> NDArray[np.bool_]:
    equal = np.ones(len(columns[0]), np.bool_)
    for column, value in zip(columns, values, strict=True):
        equal &= column == value
    return equal
