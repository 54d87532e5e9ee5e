"""Classic pcap files to columns: one NumPy array per header field of the TCP over IPv4 packets.

Microsecond and nanosecond files, both byte orders, Ethernet. The file is read in chunks; in each chunk a
loop finds the record offsets, and everything after that is array arithmetic: a structured dtype laid over
the chunk with a stride of one byte turns "the headers at these offsets" into one indexing operation.
A record of a segmentation-offload burst is one row, whose `payload_bytes` come from the IP total length.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

_FILE_HEADER_BYTES = 24
_RECORD_HEADER_BYTES = 16
_ETHERNET_BYTES = 14
_TCP_BYTES = 20
_CHUNK_BYTES = 1 << 22
_LARGEST_RECORD_BYTES = 1 << 18  # libpcap's own limit: a larger length is garbage, not a packet
_ETHERTYPE_IPV4, _ETHERTYPE_IPV6 = 0x0800, 0x86DD
_PROTOCOL_TCP = 6
_LINK_ETHERNET = 1
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}

_TCP_HEADER = np.dtype(
    [
        ("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4"), ("ack", ">u4"),
        ("data_offset", "u1"), ("flags", "u1"), ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2"),
    ]
)  # fmt: skip


def _record_and_ip_header(order: str) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("seconds", f"{order}u4"), ("fraction", f"{order}u4"),
            ("captured", f"{order}u4"), ("original", f"{order}u4"),
            ("macs", "V12"), ("ethertype", ">u2"),
            ("version_ihl", "u1"), ("tos", "u1"), ("total_length", ">u2"), ("id", ">u2"), ("fragment", ">u2"),
            ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
        ]
    )  # fmt: skip


COLUMNS: Mapping[str, type] = {
    "time_ns": np.int64,
    "src": np.uint32,
    "dst": np.uint32,
    "sport": np.uint16,
    "dport": np.uint16,
    "seq": np.uint32,
    "ack": np.uint32,
    "flags": np.uint8,
    "window": np.uint16,
    "payload_bytes": np.int32,
    "ip_bytes": np.int32,
    "record_offset": np.int64,
    "option_offset": np.int64,
    "option_bytes": np.uint8,
}
"""Name and type of each column of `Packets`."""


@dataclass(frozen=True, eq=False)
class Packets:
    """TCP over IPv4 packets as columns of equal length, in capture order.

    `time_ns` counts from the epoch of the capturing machine's clock; `src` and `dst` are IPv4 addresses as
    integers; `payload_bytes` is the IP total length less the headers; `record_offset` is where in its file the
    record starts, `option_offset` where its TCP options start and `option_bytes` how many of them were captured.
    `syn_options` maps the row of each packet with SYN to its raw options. `records` counts every record of the
    file, `skipped_ipv6` and `skipped_other` those that are no row here. `warnings` says what could not be read,
    with its byte offset.
    """

    time_ns: NDArray[np.int64]
    src: NDArray[np.uint32]
    dst: NDArray[np.uint32]
    sport: NDArray[np.uint16]
    dport: NDArray[np.uint16]
    seq: NDArray[np.uint32]
    ack: NDArray[np.uint32]
    flags: NDArray[np.uint8]
    window: NDArray[np.uint16]
    payload_bytes: NDArray[np.int32]
    ip_bytes: NDArray[np.int32]
    record_offset: NDArray[np.int64]
    option_offset: NDArray[np.int64]
    option_bytes: NDArray[np.uint8]
    syn_options: Mapping[int, bytes] = field(default_factory=dict)
    records: int = 0
    skipped_ipv6: int = 0
    skipped_other: int = 0
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time_ns)


def read_pcap(path: Path) -> Packets:
    """The TCP over IPv4 packets of one capture file.

    A file that ends in the middle of a record, or turns into garbage, gives the packets before that place and
    a warning. Raises AnalysisError for a file that is absent, empty, no classic pcap, or not of Ethernet.
    """
    try:
        with path.open("rb") as stream:
            order, nanoseconds = _read_file_header(stream.read(_FILE_HEADER_BYTES), path)
            header = _record_and_ip_header(order)
            parts: list[_Part] = []
            warnings: tuple[str, ...] = ()
            rest, rest_at = b"", _FILE_HEADER_BYTES
            while chunk := stream.read(_CHUNK_BYTES):
                data = rest + chunk
                offsets, end, garbage = _record_offsets(data, order)
                parts.append(_decode(data, offsets, rest_at, header, nanoseconds))
                rest, rest_at = data[end:], rest_at + end
                if garbage:
                    warnings = (f"{path.name}: garbage at byte {rest_at}: the rest of the file is not read",)
                    break
            if rest and not warnings:
                warnings = (f"{path.name}: truncated record at byte {rest_at}: {len(rest)} bytes are not read",)
    except OSError as error:
        raise AnalysisError(f"{path}: {error.strerror or error}") from error
    return _assemble(parts, warnings)


def merge(captures: Sequence[Packets]) -> Packets:
    """The packets of several interfaces as one, ordered by time (equal times keep the order of `captures`)."""
    if len(captures) == 1:
        return captures[0]
    times = np.concatenate([capture.time_ns for capture in captures]) if captures else np.empty(0, np.int64)
    order = np.argsort(times, kind="stable")
    new_row = np.empty_like(order)
    new_row[order] = np.arange(len(order))
    columns = {
        name: np.concatenate([getattr(capture, name) for capture in captures])[order] if captures else np.empty(0, kind)
        for name, kind in COLUMNS.items()
    }
    syn_options: dict[int, bytes] = {}
    base = 0
    for capture in captures:
        syn_options.update((int(new_row[base + row]), raw) for row, raw in capture.syn_options.items())
        base += len(capture)
    return Packets(
        **columns,
        syn_options=syn_options,
        records=sum(capture.records for capture in captures),
        skipped_ipv6=sum(capture.skipped_ipv6 for capture in captures),
        skipped_other=sum(capture.skipped_other for capture in captures),
        warnings=tuple(warning for capture in captures for warning in capture.warnings),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """The decoded rows of one chunk; `syn_options` counts rows from the chunk's first."""

    columns: dict[str, NDArray[np.generic]]
    syn_options: dict[int, bytes]
    records: int
    ipv6: int


def _read_file_header(raw: bytes, path: Path) -> tuple[str, int]:
    """Byte order and nanoseconds per unit of the records' fractions of a second."""
    if not raw:
        raise AnalysisError(f"{path}: the capture is empty")
    if raw[:4] == _PCAPNG_MAGIC:
        raise AnalysisError(f"{path}: this is pcapng, not classic pcap", hint="convert it with `editcap -F pcap`")
    if len(raw) < _FILE_HEADER_BYTES or raw[:4] not in _MAGICS:
        raise AnalysisError(f"{path}: not a pcap file")
    order, nanoseconds = _MAGICS[raw[:4]]
    link = struct.unpack(f"{order}I", raw[20:24])[0] & 0xFFFF
    if link != _LINK_ETHERNET:
        raise AnalysisError(f"{path}: link type {link} is not Ethernet", hint="capture on one interface, not on `any`")
    return order, nanoseconds


def _record_offsets(data: bytes, order: str) -> tuple[NDArray[np.int64], int, bool]:
    """Offsets of the whole records of `data`, where the first that is not whole starts, and whether it is garbage."""
    unpack = struct.Struct(f"{order}I").unpack_from
    offsets: list[int] = []
    append = offsets.append
    size = len(data)
    last_header = size - _RECORD_HEADER_BYTES
    at = 0
    while at <= last_header:
        captured = unpack(data, at + 8)[0]
        if captured > _LARGEST_RECORD_BYTES:
            return np.array(offsets, np.int64), at, True
        following = at + 16 + captured
        if following > size:
            break
        append(at)
        at = following
    return np.array(offsets, np.int64), at, False


def _rows_at(data: bytes, offsets: NDArray[np.int64], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    count = max(len(data) - dtype.itemsize + 1, 0)
    everywhere = np.ndarray((count,), dtype, data, 0, (1,))
    return everywhere[offsets]


def _decode(
    data: bytes, offsets: NDArray[np.int64], file_offset: int, header: np.dtype[np.void], nanoseconds: int
) -> _Part:
    padded = data + bytes(header.itemsize + _TCP_BYTES + 60)  # a short last record may be indexed past its end
    rows = _rows_at(padded, offsets, header)
    captured = rows["captured"].astype(np.int64) - _ETHERNET_BYTES
    ipv6 = int(np.count_nonzero((rows["ethertype"] == _ETHERTYPE_IPV6) & (captured >= 0)))
    ip_header = (rows["version_ihl"] & 0x0F).astype(np.int64) * 4
    wanted = (
        (rows["ethertype"] == _ETHERTYPE_IPV4)
        & (rows["version_ihl"] >> 4 == 4)
        & (rows["protocol"] == _PROTOCOL_TCP)
        & (rows["fragment"] & 0x1FFF == 0)
        & (ip_header >= 20)
        & (captured >= ip_header + _TCP_BYTES)
    )
    if not wanted.all():
        rows, offsets, ip_header, captured = rows[wanted], offsets[wanted], ip_header[wanted], captured[wanted]
    tcp_at = offsets + _RECORD_HEADER_BYTES + _ETHERNET_BYTES + ip_header
    tcp = _rows_at(padded, tcp_at, _TCP_HEADER)
    tcp_header = (tcp["data_offset"] >> 4).astype(np.int64) * 4
    # Linux writes a total length of 0 when a burst does not fit in 16 bits; the original length then tells.
    total_length = rows["total_length"].astype(np.int64)
    ip_bytes = np.where(total_length == 0, rows["original"].astype(np.int64) - _ETHERNET_BYTES, total_length)
    option_at = tcp_at + _TCP_BYTES
    option_bytes = np.clip(np.minimum(tcp_header, captured - ip_header) - _TCP_BYTES, 0, 40)
    columns: dict[str, NDArray[np.generic]] = {
        "time_ns": rows["seconds"].astype(np.int64) * 1_000_000_000 + rows["fraction"].astype(np.int64) * nanoseconds,
        "src": rows["src"],
        "dst": rows["dst"],
        "sport": tcp["sport"],
        "dport": tcp["dport"],
        "seq": tcp["seq"],
        "ack": tcp["ack"],
        "flags": tcp["flags"],
        "window": tcp["window"],
        "payload_bytes": np.maximum(ip_bytes - ip_header - tcp_header, 0),
        "ip_bytes": ip_bytes,
        "record_offset": offsets + file_offset,
        "option_offset": option_at + file_offset,
        "option_bytes": option_bytes,
    }
    columns = {name: column.astype(COLUMNS[name], copy=True) for name, column in columns.items()}
    syn_rows = np.flatnonzero(tcp["flags"] & SYN)
    syn_options = {
        row: data[at : at + length]
        for row, at, length in zip(
            syn_rows.tolist(), option_at[syn_rows].tolist(), option_bytes[syn_rows].tolist(), strict=True
        )
    }
    return _Part(columns, syn_options, len(wanted), ipv6)


def _assemble(parts: Sequence[_Part], warnings: tuple[str, ...]) -> Packets:
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) if parts else np.empty(0, kind)
        for name, kind in COLUMNS.items()
    }
    syn_options: dict[int, bytes] = {}
    base = 0
    for part in parts:
        syn_options.update((base + row, raw) for row, raw in part.syn_options.items())
        base += len(part.columns["time_ns"])
    records = sum(part.records for part in parts)
    ipv6 = sum(part.ipv6 for part in parts)
    return Packets(
        **columns,
        syn_options=syn_options,
        records=records,
        skipped_ipv6=ipv6,
        skipped_other=records - ipv6 - base,
        warnings=warnings,
    )
