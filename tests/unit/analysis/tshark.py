"""What `tshark -T fields` says of a capture, and what it has to say if the decoder is right.

`expected_fields` turns `Packets` into tshark's fields, option by option in the order in which tshark lists the options
of a packet: a row too many, one too few or a different value shows as a difference.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tshark_fields import HEADER_FIELDS, MPTCP, OPTION_FIELDS
from tshark_mptcp import DISPLAYED

from analysis.pcap import Option, Packets
from analysis.pcap.tables import OptionTable

Fields = dict[str, list[str]]
"""Of one frame: the values of each field that it has, in order."""
_BOOLEANS = frozenset(f"{MPTCP}flag_{letter}.flag" for letter in "UVWT")
_TRUTH = {"True": "1", "False": "0"}
_KIND, _LENGTH, _SUBTYPE = "tcp.option_kind", "tcp.option_len", f"{MPTCP}subtype"
DIFFERENCES_OF_TSHARK = {
    "frame.interface_id": "classic pcap has one interface without a number: tshark shows none, the decoder 0",
    "ip.version": "a filter on it also finds ipv6.version, so tshark shows 6 there as well",
    "vlan.id, ieee8021ad.id": "tshark shows every tag, the decoder the outermost: the first of them is compared",
    "tcp.options.mptcp.checksum": "4.0 shows it for MP_CAPABLE, never for DSS (of lengths with a checksum): there the "
    "value is compared with the bytes of tcp.options",
    "tcp.options.mptcp.flag_[UVWT].flag": "since 4.2 the values of what it calls a boolean are True and False; "
    "they were 1 and 0",
    "tcp.options.sack.count": "since 4.2 it counts the blocks as it analyses sequence numbers: 0 without that",
    "tcp.option_len": "of a kind without a table of ours there is no length to compare, but the raw bytes are",
}
"""Where equal values do not look equal; everything else is compared as it stands."""


def read_fields(path: Path) -> list[Fields]:
    """Every frame of a capture, as tshark decodes it."""
    if shutil.which("tshark") is None:
        pytest.fail("no tshark: install the packages of tests/debian-packages.txt ('make unit' does)")
    fields = (*HEADER_FIELDS, *OPTION_FIELDS)
    settings = (
        "frame.show_file_off:TRUE", "ip.defragment:FALSE", "tcp.relative_sequence_numbers:FALSE",
        "tcp.desegment_tcp_streams:FALSE",
    )  # fmt: skip
    argv = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,"]
    argv += [word for setting in settings for word in ("-o", setting)]
    argv += [word for name in fields for word in ("-e", name)]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout
    return [
        {name: _values(name, value) for name, value in zip(fields, line.split("\t"), strict=True) if value}
        for line in text.splitlines()
    ]


def _values(name: str, shown: str) -> list[str]:
    values = shown.split(",")
    return [_TRUTH.get(value, value) for value in values] if name in _BOOLEANS else values


def expected_fields(packets: Packets, raw: bytes, said: list[Fields]) -> Iterator[tuple[int, Fields]]:
    """Number and fields of each packet's frame, in tshark's notation.

    `raw` are the bytes of the file. `said` are tshark's own fields by frame: only the kinds of the options are taken
    from them, to know the order of options across our tables; they are compared with `options` here.
    """
    tables = {name: _Cursor(table) for name, table in packets.tables.items()}
    for row in range(len(packets)):
        number = int(packets.frame[row])
        fields = defaultdict(list, _header(packets, row, raw))
        there = said[number - 1]
        subtypes = iter(there.get(_SUBTYPE, []))
        bits = 0
        for kind in map(int, there.get(_KIND, [])):
            bits |= _take_option(fields, kind, int(next(subtypes)) if kind == _MPTCP_KIND else 0, packets, row, tables)
        fields["options"] = [hex(bits)]
        left = [name for name, cursor in tables.items() if cursor.has(row)]
        assert not left, f"frame {number}: tshark has no more options, but there are rows left in {left}"
        yield number, dict(fields)


def dss_checksums(options: str) -> list[int]:
    """Checksums of DSS options in the raw options of a packet (tshark's `tcp.options`, hexadecimal)."""
    raw, at, found = bytes.fromhex(options), 0, []
    while at < len(raw) and raw[at]:
        length = 1 if raw[at] == _NOP else raw[at + 1]
        if raw[at] == _MPTCP_KIND and raw[at + 2] >> 4 == _MPTCP_TABLES.index("dss") and raw[at + 3] & 0x04:
            mapped = 4 + (0, 4, 0, 8)[raw[at + 3] & 3] + (8 if raw[at + 3] & 0x08 else 4) + 6
            if length == mapped + 2:
                found.append(int.from_bytes(raw[at + mapped : at + length], "big"))
        at += length
    return found


def _header(packets: Packets, row: int, raw: bytes) -> Fields:
    def of(name: str) -> int:
        return int(getattr(packets, name)[row])

    version = of("ip_version")
    at, size = of("option_offset"), of("option_bytes")
    fields = {
        "frame.number": of("frame"),
        "frame.time_epoch": f"{Decimal(of('time_ns')) / 10**9:.9f}",
        "frame.interface_id": of("interface"),
        "frame.file_off": of("record_offset"),
        "outermost VLAN": of("vlan"),
        "sll.ifindex": of("device"),
        "sll.pkttype": of("packet_type"),
        "tunnel": of("tunnel"),
        "tcp.srcport": of("sport"),
        "tcp.dstport": of("dport"),
        "tcp.seq_raw": of("seq"),
        "tcp.ack_raw": of("ack"),
        "tcp.flags": f"0x{of('flags'):04x}",
        "tcp.window_size_value": of("window"),
        "tcp.checksum": f"0x{of('checksum'):04x}",
        "tcp.urgent_pointer": of("urgent"),
        "tcp.hdr_len": of("header_bytes"),
        "tcp.len": of("payload_bytes"),
        "tcp.payload": raw[(begin := at + of("header_bytes") - 20) : begin + of("captured_bytes")].hex(),
        "tcp.options": raw[at : at + size].hex(),
    }
    source, target = (packets.address(of(name), version) for name in ("src", "dst"))
    if version == 4:
        fields |= {
            "ip.version": 4, "ip.dsfield": f"0x{of('tos'):02x}", "ip.ttl": of("ttl"), "ip.id": f"0x{of('ip_id'):04x}",
            "ip.src": source, "ip.dst": target, "ip.len": of("ip_bytes"),
        }  # fmt: skip
    else:
        fields |= {
            "ip.version": 6, "ipv6.version": 6, "ipv6.tclass": f"0x{of('tos'):08x}", "ipv6.hlim": of("ttl"),
            "ipv6.src": source, "ipv6.dst": target, "ipv6.plen": of("ip_bytes") - 40,
        }  # fmt: skip
    return {name: [str(value)] for name, value in fields.items() if value != ""}


class _Cursor:
    """Hands the rows of a table out one after the other."""

    def __init__(self, table: OptionTable) -> None:
        self._columns = {name: array.tolist() for name, array in table.columns().items()}
        self._at = 0

    def has(self, packet: int) -> bool:
        packets = self._columns["packet"]
        return self._at < len(packets) and packets[self._at] == packet

    def take(self, packet: int) -> dict[str, Any]:
        assert self.has(packet), f"row {packet} has an option in tshark that is in no table"
        self._at += 1
        return {name: values[self._at - 1] for name, values in self._columns.items()}


_NOP, _MSS, _WSCALE, _SACK_OK, _SACK, _TIMESTAMPS, _MPTCP_KIND = 1, 2, 3, 4, 5, 8, 30


def _take_option(
    fields: Fields, kind: int, subtype: int, packets: Packets, row: int, tables: dict[str, _Cursor]
) -> int:
    """Add what tshark has to say of the packet's next option; its bit in `options`."""
    fields[_KIND].append(str(kind))
    if kind in (0, _NOP):
        return 0
    if kind == _MPTCP_KIND:
        return _take_mptcp(fields, subtype, packets, row, tables)
    if kind in (_MSS, _WSCALE, _SACK_OK):
        return _take_handshake(fields, kind, row, tables["handshake"])
    if kind == _TIMESTAMPS:
        fields[_LENGTH].append("10")
        fields["tcp.options.timestamp.tsval"].append(str(packets.ts_value[row]))
        fields["tcp.options.timestamp.tsecr"].append(str(packets.ts_echo[row]))
        return Option.TIMESTAMPS
    if kind == _SACK:
        blocks = 0
        while tables["sack"].has(row):
            block = tables["sack"].take(row)
            fields["tcp.options.sack_le"].append(str(block["left"]))
            fields["tcp.options.sack_re"].append(str(block["right"]))
            blocks += 1
        fields["tcp.options.sack.count"].append(str(blocks))
        fields[_LENGTH].append(str(2 + 8 * blocks))
        return Option.SACK
    # One that has no table: nothing of ours but the raw bytes can be compared.
    fields[_LENGTH].append("any")
    return Option.OTHER


def _take_handshake(fields: Fields, kind: int, row: int, cursor: _Cursor) -> int:
    """MSS, window scale and SACK permitted share one row: it is kept from the first to the last of them."""
    shown = fields.setdefault("handshake", [])
    if not shown:
        taken = cursor.take(row)
        shown += [str(taken["mss"]), str(taken["window_scale"]), str(int(taken["sack_permitted"]))]
    mss, shift, permitted = shown[:3]
    if kind == _MSS:
        fields["tcp.options.mss_val"].append(mss)
        fields[_LENGTH].append("4")
        return Option.MSS
    if kind == _WSCALE:
        fields["tcp.options.wscale.shift"].append(shift)
        fields[_LENGTH].append("3")
        return Option.WINDOW_SCALE
    assert permitted == "1"
    fields[_LENGTH].append("2")
    return Option.SACK_PERMITTED


_MPTCP_TABLES = (
    "mp_capable", "mp_join", "dss", "add_addr", "remove_addr", "mp_prio", "mp_fail", "mp_fastclose", "mp_tcprst",
)  # fmt: skip


def _take_mptcp(fields: Fields, subtype: int, packets: Packets, row: int, tables: dict[str, _Cursor]) -> int:
    name = _MPTCP_TABLES[subtype]
    option = tables[name].take(row)
    fields[_LENGTH].append(str(option["length"]))
    _add(fields, "subtype", subtype)
    if name == "remove_addr":
        ids = [option["address_id"], *(tables[name].take(row)["address_id"] for _ in range(option["length"] - 4))]
        fields["mptcp.rm_addr.count"].append(str(len(ids)))
        for each in ids:
            _add(fields, "addrid", each)
    else:
        for field, value in DISPLAYED[name](option, packets):
            _add(fields, field, value)
    return Option.MP_CAPABLE << subtype


def _add(fields: Fields, name: str, value: object) -> None:
    fields[MPTCP + name].append(str(int(value) if isinstance(value, bool) else value))
