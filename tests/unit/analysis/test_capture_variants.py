"""One capture in several formats, link layers and IP versions gives the same rows."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import capture_variants as variants
import numpy as np
import pytest

from analysis.pcap import COLUMNS, Option, Packets, read_pcap

ON_ETHERNET = ["aborted", "bursts", "narrowed", "narrowed-checksum", "plain"]
MAGICS = {"pcap": b"\xd4\xc3\xb2\xa1", "nsecpcap": b"\x4d\x3c\xb2\xa1", "pcapng": b"\x0a\x0d\x0d\x0a"}
ENDS_AT = {"window": 16, "checksum": 18, "urgent": 20}
"""Fields of the TCP header behind its flags, and where they end in it."""
PLACES = {"record_offset", "option_offset"}
CUT = {"options", "ts_value", "ts_echo", "option_bytes", "captured_bytes", *ENDS_AT}
"""Columns in which a shorter snap length shows."""


def written(tmp_path: Path, content: bytes, name: str = "capture.pcap") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def assert_same_rows(one: Packets, other: Packets, *, but: set[str]) -> None:
    assert len(one) == len(other) > 0
    for name in COLUMNS:
        if name not in but | PLACES:
            assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    for name, table in one.tables.items():
        for column, values in table.columns().items():
            assert values.tolist() == getattr(other.tables[name], column).tolist(), f"{name}.{column}"
    assert (one.records, one.skipped, one.warnings) == (other.records, other.skipped, other.warnings)


@pytest.mark.parametrize("name", variants.NAMES)
@pytest.mark.parametrize("format_name", ["pcap", "nsecpcap", "pcapng"])
def test_formats(name: str, format_name: str, tmp_path: Path) -> None:
    original = written(tmp_path, variants.raw(name))
    variants.converted(original, format_name, tmp_path / "converted")
    first = (tmp_path / "converted").read_bytes()[:4]
    assert first == MAGICS[format_name]
    one, other = read_pcap(original), read_pcap(tmp_path / "converted")
    assert_same_rows(one, other, but={"time_ns"})
    unit_ns = 1000 if format_name == "pcap" else 1
    assert np.array_equal(one.time_ns // unit_ns * unit_ns, other.time_ns)
    assert [each.link_type for each in one.interfaces] == [each.link_type for each in other.interfaces]
    assert option_spaces(other, (tmp_path / "converted").read_bytes()) == option_spaces(one, original.read_bytes())


def option_spaces(packets: Packets, content: bytes) -> list[bytes]:
    return [content[at : at + size] for at, size in zip(packets.option_offset, packets.option_bytes, strict=True)]


@pytest.mark.parametrize("name", ON_ETHERNET)
@pytest.mark.parametrize(
    ("link_type", "rewrite"), [(113, variants.as_sll), (276, variants.as_sll2), (101, variants.as_raw_ip)]
)
def test_link_layers(name: str, link_type: int, rewrite, tmp_path: Path) -> None:
    capture = variants.raw(name)
    one = read_pcap(written(tmp_path, capture))
    other = read_pcap(written(tmp_path, variants.rewritten(capture, link_type, rewrite), "other.pcap"))
    assert other.interfaces[0].link_type == link_type
    assert_same_rows(one, other, but={"device"})
    assert set(other.device.tolist()) == {2 if link_type == 276 else 0}


@pytest.mark.parametrize("name", ON_ETHERNET)
def test_ip_versions(name: str, tmp_path: Path) -> None:
    capture = variants.raw(name)
    one = read_pcap(written(tmp_path, capture))
    other = read_pcap(written(tmp_path, variants.rewritten(capture, 1, variants.as_ipv6), "other.pcap"))
    assert set(other.ip_version.tolist()) == {6}
    assert_same_rows(one, other, but={"ip_version", "ip_id", "src", "dst", "ip_bytes"})
    assert (other.ip_bytes - one.ip_bytes).tolist() == [20] * len(one)
    for column in ("src", "dst"):
        numbers = zip(getattr(one, column).tolist(), getattr(other, column).tolist(), strict=True)
        assert all(variants.ipv6_of(one.address(four)) == other.address(six, 6) for four, six in numbers)


@pytest.mark.parametrize("snap", [54, 60, 70, 80, 90, 100, 110])
@pytest.mark.parametrize("name", ["corrupted", "denied", "announced6-checksum", "narrowed-checksum", "plain"])
def test_a_shorter_snap_length_takes_the_last_options_and_nothing_else(name: str, snap: int, tmp_path: Path) -> None:
    pieces = [variants.raw(name)[:24]]
    for time, original, frame in variants.records(variants.raw(name)):
        pieces += [time, struct.pack("<II", min(len(frame), snap), original), frame[:snap]]
    whole = read_pcap(written(tmp_path, variants.raw(name)))
    cut = read_pcap(written(tmp_path, b"".join(pieces), "cut.pcap"))
    kept = np.flatnonzero(np.isin(whole.frame, cut.frame))
    assert cut.skipped.cut + cut.skipped.not_tcp == whole.records - len(kept)
    whole = whole.select(kept)
    lacking = cut.option_bytes < cut.header_bytes - 20
    for column in set(COLUMNS) - PLACES - CUT:
        assert np.array_equal(getattr(cut, column), getattr(whole, column)), column
    # Of the TCP header as much as its flags is captured; what lies behind the snap length is 0.
    link_bytes = {1: 14, 113: 16, 276: 20}[cut.interfaces[0].link_type] + 4 * (cut.vlan > 0)
    tcp_bytes = snap - link_bytes - (cut.ip_bytes - cut.header_bytes.astype(np.int64) - cut.payload_bytes)
    assert (tcp_bytes >= 14).all()
    there = np.clip(tcp_bytes - cut.header_bytes, 0, whole.captured_bytes)
    assert np.array_equal(cut.captured_bytes, there)
    for column, end in ENDS_AT.items():
        assert np.array_equal(getattr(cut, column), np.where(tcp_bytes < end, 0, getattr(whole, column))), column
    assert ((cut.options & Option.CUT) != 0).tolist() == lacking.tolist()
    bits = cut.options & ~np.uint32(Option.CUT)
    assert ((bits & whole.options) == bits).all()
    assert (bits == whole.options)[~lacking].all()
    for column in ("ts_value", "ts_echo"):
        there = (cut.options & Option.TIMESTAMPS) != 0
        assert np.array_equal(getattr(cut, column)[there], getattr(whole, column)[there])
    for table, before in whole.tables.items():
        after = rows(cut, table)
        if table != "handshake":  # whose row may lack an option
            assert all(row in rows(whole, table) for row in after), table
        assert [row for row in after if not lacking[row[0]]] == [
            row for row in rows(whole, table) if not lacking[row[0]]
        ], table
        assert len(after) <= len(before)


def rows(packets: Packets, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table, IPv6 addresses in words."""
    columns = {name: values.tolist() for name, values in packets.tables[table].columns().items()}
    if table == "add_addr":
        versions = zip(columns["address"], columns["ip_version"], strict=True)
        columns["address"] = [packets.address(number, version) for number, version in versions]
    return list(zip(*columns.values(), strict=True))
