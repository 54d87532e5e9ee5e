"""DSS checksums (RFC 8684 section 3.3.1), verified where a mapping's payload was captured whole.

Enters: packets of files that can be read again, and which they are. Leaves: per uniflow how many checksums are right,
wrong, or cannot be known: the payload was cut off, came in IP fragments, or was not captured at all, or only the lower
half of its data sequence number was sent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.flows.reinjection import first_numbers
from analysis.pcap import Option, Packets
from analysis.pcap.columns import I64, Bools, Rows
from analysis.pcap.tables import DSS_DATA_FIN, DSS_DSN_8


@dataclass(frozen=True)
class Checksums:
    """The checksums of one uniflow; `first_wrong` is the row of the first packet with a wrong one (-1: none)."""

    uniflow: int
    right: int
    wrong: int
    unknown: int
    first_wrong: int


def find_checksums(packets: Packets, uniflow: Rows, files: Mapping[int, Path]) -> list[Checksums]:
    """The checksums of every uniflow that has any; `files` are those of the interfaces that can be read again."""
    dss = packets.dss
    # Each segment of a burst has the mapping of the whole: it counts once, with the first of them.
    option = np.flatnonzero(dss.has_checksum & (uniflow[dss.packet] >= 0) & (dss.data_length > 0))
    if not len(option):
        return []
    of = uniflow[dss.packet[option]]
    key = np.stack([of, dss.subflow_seq[option].astype(np.int64), dss.data_length[option].astype(np.int64)])
    _, first = np.unique(key, axis=1, return_index=True)
    option = option[np.sort(first)]
    payloads = _Payloads(packets, uniflow, files)
    found: dict[int, list[tuple[int, bool | None]]] = {}
    for each in option.tolist():
        row = int(dss.packet[each])
        found.setdefault(int(uniflow[row]), []).append((row, _verdict(packets, payloads, each, row)))
    return [_summed(number, verdicts) for number, verdicts in sorted(found.items())]


def _verdict(packets: Packets, payloads: _Payloads, option: int, row: int) -> bool | None:
    dss = packets.dss
    if not dss.flags[option] & DSS_DSN_8:
        return None
    length = int(dss.data_length[option])
    carried = length - bool(dss.flags[option] & DSS_DATA_FIN)  # the FIN takes a number, but no byte
    payload = payloads.bytes_of(row, int(dss.subflow_seq[option]), carried)
    if payload is None:
        return None
    header = struct.pack(">QIHH", int(dss.dsn[option]), int(dss.subflow_seq[option]), length, int(dss.checksum[option]))
    return _sum(header + payload) == 0xFFFF


def _sum(data: bytes) -> int:
    """The one's complement sum of 16-bit words (RFC 1071)."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2")
    total = int(words.sum(dtype=np.int64))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class _Payloads:
    """The payload of uniflows by place, read from the files again."""

    def __init__(self, packets: Packets, uniflow: Rows, files: Mapping[int, Path]) -> None:
        self._packets, self._uniflow = packets, uniflow
        self._files = {number: np.memmap(path, np.uint8, "r") for number, path in files.items() if path.stat().st_size}
        rows = np.flatnonzero((uniflow >= 0) & (packets.payload_bytes > 0))
        self._place: I64 = (packets.seq[rows] - first_numbers(packets, uniflow)[uniflow[rows]]).astype(np.int64)
        order = np.lexsort((self._place, uniflow[rows]))
        self._rows, self._place = rows[order], self._place[order]
        self._of = uniflow[self._rows]
        self._whole = self._captured_whole()

    def bytes_of(self, row: int, place: int, length: int) -> bytes | None:
        """So many bytes of the row's uniflow from that place on (1: the first); None where one of them is missing."""
        begin, end = np.searchsorted(self._of, [self._uniflow[row], self._uniflow[row] + 1]).tolist()
        at = begin + int(np.searchsorted(self._place[begin:end], place, side="right")) - 1
        parts, reached = [], place
        while reached < place + length:
            if at < begin or at >= end or self._place[at] > reached:
                return None
            size = int(self._packets.payload_bytes[self._rows[at]])
            ahead = reached - int(self._place[at])
            if ahead < size:
                if not self._whole[at]:
                    return None
                parts.append(self._read(int(self._rows[at]))[ahead : ahead + place + length - reached])
                reached += len(parts[-1])
            at += 1
        return b"".join(parts)

    def _captured_whole(self) -> Bools:
        packets, rows = self._packets, self._rows
        there = np.isin(packets.interface[rows], list(self._files))
        there &= (packets.options[rows] & Option.FRAGMENTED) == 0
        found: Bools = there & (packets.captured_bytes[rows] == packets.payload_bytes[rows])
        return found

    def _read(self, row: int) -> bytes:
        packets = self._packets
        data = self._files[int(packets.interface[row])]
        at = int(packets.option_offset[row]) + int(packets.header_bytes[row]) - 20
        return data[at : at + int(packets.payload_bytes[row])].tobytes()


def _summed(uniflow: int, verdicts: list[tuple[int, bool | None]]) -> Checksums:
    def count(which: bool | None) -> Iterator[int]:
        return (row for row, verdict in verdicts if verdict is which)

    right, wrong, unknown = (len(list(count(each))) for each in (True, False, None))
    return Checksums(uniflow, right, wrong, unknown, min(count(False), default=-1))
