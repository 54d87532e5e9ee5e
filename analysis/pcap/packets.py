"""`Packets`: the TCP packets of a capture, one row each, with the tables of their options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np

from analysis.pcap import addresses
from analysis.pcap.columns import I32, I64, U8, U16, U32, Column, Columns, ColumnType, Rows
from analysis.pcap.fragments import Fragments, lengths
from analysis.pcap.frames import Interface
from analysis.pcap.network import TCP_BYTES, Skipped
from analysis.pcap.tables import (
    OPTION_TABLES,
    AddAddr,
    Dss,
    Handshake,
    MpCapable,
    MpFail,
    MpFastclose,
    MpJoin,
    MpPrio,
    MpTcprst,
    Option,
    OptionTable,
    OtherMptcp,
    RemoveAddr,
    Sack,
)
from testbed.base.errors import AnalysisError

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))
"""Bits of the column `flags`."""


@dataclass(frozen=True, eq=False)
class Packets(Columns):
    """TCP packets as columns of equal length, in capture order.

    `interfaces` are what the column `interface` numbers, `places` the number of the place that each of them captured at
    (empty: every interface is a place of its own), `ipv6` the IPv6 addresses (16 bytes each) by number.
    `records` counts every frame of the capture, `skipped` those that are no row here and why; `others` and `opaque` say
    by name what these are, `opaque` of those that may hide TCP packets. `warnings` says what could not be read, with
    its byte offset, and what was not captured. `fragments` are those of a chunk, whose payload `concatenate` puts
    together.
    """

    frame: Annotated[U32, Column("number of the frame in its file, from 1")]
    time_ns: Annotated[I64, Column("time since the epoch, by the capturing machine's clock", "ns")]
    interface: Annotated[U16, Column("number of the interface, from 0")]
    vlan: Annotated[U16, Column("VLAN id of the outermost tag; 0: no tag")]
    tunnel: Annotated[U8, Column("what it was found in: bits of `Tunnel`; 0: no tunnel")]
    device: Annotated[U32, Column("Linux cooked, version 2: index of the network interface; else 0")]
    packet_type: Annotated[U8, Column("Linux cooked: 4 for a packet that this machine sent; else 0")]
    ip_version: Annotated[U8, Column("4 or 6")]
    tos: Annotated[U8, Column("DSCP (upper 6 bits) and ECN")]
    ttl: Annotated[U8, Column("time to live, or hop limit")]
    ip_id: Annotated[U16, Column("IPv4 identification; IPv6: 0")]
    src: Annotated[U32, Column("source: IPv4 address, or number of an IPv6 address")]
    dst: Annotated[U32, Column("destination: IPv4 address, or number of an IPv6 address")]
    ip_bytes: Annotated[I32, Column("length of the IP packet on the wire", "bytes")]
    sport: Annotated[U16, Column("source port")]
    dport: Annotated[U16, Column("destination port")]
    seq: Annotated[U32, Column("sequence number")]
    ack: Annotated[U32, Column("acknowledgement number")]
    flags: Annotated[U16, Column("the 12 bits after the data offset; FIN is 0x001, AE 0x100")]
    window: Annotated[U16, Column("receive window, before scaling; 0 where it was not captured, as the next two")]
    checksum: Annotated[U16, Column("TCP checksum, as captured")]
    urgent: Annotated[U16, Column("urgent pointer")]
    header_bytes: Annotated[U8, Column("length of the TCP header, as it says itself", "bytes")]
    payload_bytes: Annotated[I32, Column("TCP payload on the wire", "bytes")]
    captured_bytes: Annotated[I32, Column("captured TCP payload", "bytes")]
    options: Annotated[U32, Column("which options are there: bits of `Option`")]
    ts_value: Annotated[U32, Column("TSval of the timestamps option; 0 without one")]
    ts_echo: Annotated[U32, Column("TSecr of the timestamps option; 0 without one")]
    record_offset: Annotated[I64, Column("where in its file the packet's record starts", "bytes")]
    option_offset: Annotated[I64, Column("where in its file the TCP options start", "bytes")]
    option_bytes: Annotated[U8, Column("captured TCP options", "bytes")]

    handshake: Handshake
    sack: Sack
    mp_capable: MpCapable
    mp_join: MpJoin
    dss: Dss
    add_addr: AddAddr
    remove_addr: RemoveAddr
    mp_prio: MpPrio
    mp_fail: MpFail
    mp_fastclose: MpFastclose
    mp_tcprst: MpTcprst
    other_mptcp: OtherMptcp
    interfaces: tuple[Interface, ...] = ()
    places: tuple[int, ...] = ()
    ipv6: tuple[bytes, ...] = (addresses.UNSPECIFIED,)
    records: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    others: Mapping[str, int] = field(default_factory=dict)
    opaque: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fragments: Fragments = field(default_factory=Fragments.empty)

    @property
    def tables(self) -> dict[str, OptionTable]:
        """The tables of options by name."""
        return {name: getattr(self, name) for name in OPTION_TABLES}

    @property
    def place(self) -> Rows:
        """Per packet the number of the place that captured it."""
        places: Rows = np.array(self.places or range(max(len(self.interfaces), 1)), np.int64)
        return places[self.interface]

    def address(self, number: int, version: int = 4) -> str:
        """An address of a column such as `src` in the usual notation."""
        return addresses.text(number, version, self.ipv6)

    def select(self, rows: Rows) -> Packets:
        """These rows (ascending) alone, with their options; counts and warnings stay those of the whole capture."""
        new_row = np.full(len(self) + 1, -1, np.int64)
        new_row[rows] = np.arange(len(rows))
        return self._reordered(rows, new_row)

    def by_time(self) -> Packets:
        """The packets in order of time; equal times keep their order, and packets that are in order are left alone."""
        if (self.time_ns[1:] >= self.time_ns[:-1]).all():
            return self
        order = np.argsort(self.time_ns, kind="stable")
        new_row = np.empty_like(order)
        new_row[order] = np.arange(len(order))
        return self._reordered(order, new_row)

    def _reordered(self, rows: Rows, new_row: Rows) -> Packets:
        tables: dict[str, Any] = {}
        for name, table in self.tables.items():
            packet = new_row[table.packet]
            order = np.argsort(packet, kind="stable")
            order = order[np.searchsorted(packet[order], 0) :]  # those of dropped packets have row -1
            tables[name] = replace(table.take(order), packet=packet[order])
        return replace(self.take(rows), **tables)


def concatenate(chunks: Sequence[Packets]) -> Packets:
    """The chunks of one capture (see `iter_packets`) as one; what IP fragments carry is put together."""
    if len(chunks) == 1:
        return _put_together(chunks[0])
    bases = np.cumsum([0, *(len(chunk) for chunk in chunks)]).tolist()
    tables: dict[str, Any] = {}
    for name, kind in OPTION_TABLES.items():
        found = [(getattr(chunk, name), base) for chunk, base in zip(chunks, bases, strict=False)]
        moved = [replace(table, packet=table.packet + base) for table, base in found if len(table)]
        tables[name] = kind(**kind.stack(moved))
    fragments = [
        replace(chunk.fragments, packet=np.where(chunk.fragments.packet < 0, -1, chunk.fragments.packet + base))
        for chunk, base in zip(chunks, bases, strict=False)
        if len(chunk.fragments)
    ]
    whole = Packets(
        **Packets.stack(chunks),
        **tables,
        interfaces=max((chunk.interfaces for chunk in chunks), key=len, default=()),
        ipv6=max((chunk.ipv6 for chunk in chunks), key=len, default=(addresses.UNSPECIFIED,)),
        records=sum(chunk.records for chunk in chunks),
        skipped=Skipped(
            not_tcp=sum(chunk.skipped.not_tcp for chunk in chunks),
            fragments=sum(chunk.skipped.fragments for chunk in chunks),
            cut=sum(chunk.skipped.cut for chunk in chunks),
        ),
        others=_added(chunk.others for chunk in chunks),
        opaque=_added(chunk.opaque for chunk in chunks),
        warnings=tuple(warning for chunk in chunks for warning in chunk.warnings),
        fragments=Fragments(**Fragments.stack(fragments)),
    )
    return _put_together(whole)


def _put_together(packets: Packets) -> Packets:
    """The packets with the payload that later IP fragments carry; `ip_bytes` stays the length of the first one."""
    if not len(packets.fragments):
        return packets
    rows, segment_bytes, later_bytes = lengths(packets.fragments)
    header_bytes = np.maximum(packets.header_bytes[rows].astype(np.int64), TCP_BYTES)
    payload, captured, options = packets.payload_bytes.copy(), packets.captured_bytes.copy(), packets.options.copy()
    payload[rows] = np.maximum(segment_bytes - header_bytes, 0)
    captured[rows] = np.minimum(captured[rows] + later_bytes, payload[rows])
    options[rows[payload[rows] > packets.payload_bytes[rows]]] |= np.uint32(Option.FRAGMENTED)
    return replace(
        packets, payload_bytes=payload, captured_bytes=captured, options=options, fragments=Fragments.empty()
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def merge(captures: Sequence[Packets]) -> Packets:
    """The packets of several captures as one, ordered by time (equal times keep the order of `captures`).

    The interfaces of all captures are numbered through; `frame` and the offsets stay those of each file.
    """
    if len(captures) == 1:
        return captures[0].by_time()
    interfaces = tuple(interface for capture in captures for interface in capture.interfaces)
    if len(interfaces) > 1 << 16:
        raise AnalysisError(f"the captures have {len(interfaces)} interfaces: more than {1 << 16} are too many")
    ipv6 = tuple(dict.fromkeys((addresses.UNSPECIFIED, *(each for capture in captures for each in capture.ipv6))))
    base = 0
    adjusted = []
    for capture in captures:
        renumbered = _renumbered(capture, ipv6)
        interface = (renumbered.interface + base).astype(np.uint16)
        adjusted.append(replace(renumbered, interface=interface, interfaces=interfaces, ipv6=ipv6))
        base += len(capture.interfaces)
    return concatenate(adjusted).by_time()


def with_first_ipv6(packets: Packets, first: Iterable[bytes], networks: Mapping[bytes, bytes] | None = None) -> Packets:
    """The packets, in which these distinct IPv6 addresses have the first numbers, from 1, be they there or not.

    An address that begins as one of `networks` is taken for that one's address; what an ADD_ADDR has signed is not.
    """
    same = {each: (networks or {}).get(each[:NETWORK_BYTES], each) for each in packets.ipv6}
    ipv6 = tuple(dict.fromkeys((addresses.UNSPECIFIED, *first, *same.values(), *same)))
    return replace(_renumbered(packets, ipv6, same), ipv6=ipv6)


def _renumbered(packets: Packets, ipv6: Sequence[bytes], same: Mapping[bytes, bytes] | None = None) -> Packets:
    """The packets with the IPv6 addresses numbered as in `ipv6`, each as the one that it is the `same` as."""
    taken_for = [(same or {}).get(address, address) for address in packets.ipv6]
    if packets.ipv6 == ipv6[: len(packets.ipv6)] == tuple(taken_for):
        return packets
    numbers = {address: number for number, address in enumerate(ipv6)}
    new, own = (np.array([numbers[each] for each in found], np.uint32) for found in (taken_for, packets.ipv6))

    def renumber(column: U32, version: U8, by: U32 = new) -> U32:
        return np.where(version == 6, by[np.minimum(column, len(by) - 1)], column)

    announced = packets.add_addr
    return replace(
        packets,
        src=renumber(packets.src, packets.ip_version),
        dst=renumber(packets.dst, packets.ip_version),
        add_addr=replace(
            announced,
            address=renumber(announced.address, announced.ip_version),
            signed_address=renumber(announced.signed_address, announced.ip_version, own),
        ),
    )


NETWORK_BYTES = 8
"""Of an IPv6 address, what a server's own network has."""

COLUMNS: Mapping[str, ColumnType] = Packets.types()
"""The columns of `Packets` by name."""
