"""What goes into a capture comes out of the decoder, whatever the format; and damage is survived."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capture_encoder as pack
import capture_strategies as some
import numpy as np
import pytest
from frame_encoder import ETHERNET, RAW, SLL, SLL2, Packet
from hypothesis import given
from hypothesis import strategies as st

from analysis.pcap import COLUMNS, OPTION_TABLES, Packets, addresses, read_pcap
from testbed.base.errors import AnalysisError

T = 1_700_000_000 * 10**9


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures") / "a.pcap"


def expect(found: Packets, sent: list[Packet]) -> None:
    """Every column and every row of every table is as it was sent."""
    assert len(found) == len(sent)
    ours = [packet.columns for packet in sent]
    for name in ours[0] if ours else ():
        column = getattr(found, name)
        assert column.dtype == COLUMNS[name].dtype
        values = (
            [address(found, *pair) for pair in zip(column, found.ip_version, strict=True)]
            if name in ("src", "dst")
            else column.tolist()
        )
        assert values == [columns[name] for columns in ours], name
    for name, kind in OPTION_TABLES.items():
        table = getattr(found, name)
        wanted = [{"packet": number} | row for number, packet in enumerate(sent) for row in packet.rows.get(name, ())]
        assert len(table) == len(wanted), name
        for at, row in enumerate(wanted):
            for column in kind.types():
                value = getattr(table, column)[at]
                if column in ("address", "signed_address"):
                    value, row = address(found, value, table.ip_version[at]), row | {"signed_address": row["address"]}
                elif column == "ip_version":
                    row = row | {"ip_version": row["address"].version}
                default: Any = (
                    255 if column == "window_scale" else bytes(20) if column == "hmac" and name == "mp_join" else 0
                )
                value = value.tobytes() if isinstance(default, bytes) else value
                assert value == row.get(column, default), (name, column)


def address(found: Packets, number: Any, version: Any) -> Any:
    return ipaddress.ip_address(found.address(int(number), int(version)))


@given(
    sent=st.lists(some.packets, max_size=12),
    link=st.sampled_from([ETHERNET, SLL, SLL2, RAW]),
    order=st.sampled_from("<>"),
    nano=st.booleans(),
)
def test_a_classic_capture_comes_back(path: Path, sent: list[Packet], link: int, order: str, nano: bool) -> None:
    if link == RAW:
        sent = [packet for packet in sent if not packet.vlans]
    frames = [(T + 1000 * number, packet.frame(link)) for number, packet in enumerate(sent)]
    path.write_bytes(pack.classic(frames, order=order, nano=nano, link_type=link))
    found = read_pcap(path)
    expect(found, sent)
    assert found.time_ns.tolist() == [time_ns for time_ns, _ in frames]
    assert found.frame.tolist() == [number + 1 for number in range(len(sent))]
    assert found.warnings == ()


def ticks_a_second(resolution: int | None) -> int:
    if resolution is None:
        return 10**6
    return 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution


@st.composite
def pcapng_captures(draw: Callable[..., Any]) -> tuple[bytes, list[tuple[Packet, int, int]], dict[int, int]]:
    """Sections, interfaces and packets in a row; what must come out: packet, time in ns, number of the interface.

    And for each interface what was lost there.
    """
    raw, sent, base, lost = b"", [], 0, Counter[int]()
    for _ in range(draw(st.integers(1, 3))):
        order = draw(st.sampled_from("<>"))
        raw += pack.section(order)
        interfaces: list[tuple[int, int | None, int]] = []
        for _ in range(draw(st.integers(1, 12))):
            what = draw(st.sampled_from(["interface", "packet", "packet", "packet", "old", "simple", "other"]))
            if what == "interface" or not interfaces:
                resolution = draw(st.sampled_from([None, 0, 3, 6, 9, 12, 0x80 | 10, 0x80 | 32, 0x80 | 40]))
                each = (draw(st.sampled_from([ETHERNET, SLL, SLL2])), resolution, draw(st.sampled_from([0, 5, -1])))
                raw += pack.interface(order, link_type=each[0], resolution=each[1], offset_s=each[2], name="eth0")
                interfaces.append(each)
                continue
            if what == "other":
                raw += pack.block(order, draw(st.sampled_from([4, 0x0BAD])), draw(st.binary(max_size=20)))
                continue
            packet = draw(some.packets)
            number = 0 if what == "simple" else draw(st.integers(0, len(interfaces) - 1))
            link, resolution, offset_s = interfaces[number]
            second = draw(st.integers(0, 2**21))
            frame = packet.frame(link)
            if what == "simple":
                raw += pack.simple(order, frame)
                sent.append((packet, 0, base))
                continue
            ticks = second * (
                2 ** (resolution & 0x7F)
                if resolution and resolution & 0x80
                else 10 ** (6 if resolution is None else resolution)
            )
            if what == "old":
                drops = draw(st.sampled_from([0, 1, 0xFFFE, 0xFFFF]))
                raw += pack.old_packet(order, number, ticks, frame, drops=drops)
                lost[base + number] += drops if drops < 0xFFFF else 0
            else:
                told = draw(st.none() | st.integers(0, 2**64 - 1))
                raw += pack.enhanced(order, number, ticks, frame, drops=told)
                lost[base + number] += told or 0
            sent.append((packet, (second + offset_s) * 10**9, base + number))
        base += len(interfaces)
    return raw, sent, lost


@given(capture=pcapng_captures(), chunk=st.sampled_from([50, 1000, 1 << 20]))
def test_a_pcapng_comes_back(
    path: Path, capture: tuple[bytes, list[tuple[Packet, int, int]], dict[int, int]], chunk: int
) -> None:
    raw, sent, lost = capture
    path.write_bytes(raw)
    found = read_pcap(path, chunk_bytes=chunk)
    expect(found, [packet for packet, _, _ in sent])
    assert found.time_ns.tolist() == [time_ns for _, time_ns, _ in sent]
    assert found.interface.tolist() == [interface for _, _, interface in sent]
    assert {each.name for each in found.interfaces} == {"eth0"}
    assert [text for text in found.warnings if "have no time" not in text] == [
        f"a.pcap: the capture lost {count} packets on interface eth0" for _, count in sorted(lost.items()) if count
    ]


def same(one: Packets, other: Packets) -> None:
    """Both have the same contents, if the IPv6 addresses may have other numbers."""
    for left, right in [(one, other), *((getattr(one, name), getattr(other, name)) for name in OPTION_TABLES)]:
        for column in left.types():
            ours, theirs = getattr(left, column), getattr(right, column)
            if column in ("src", "dst", "address"):
                ours = addresses.texts(ours, left.ip_version, one.ipv6)
                theirs = addresses.texts(theirs, right.ip_version, other.ipv6)
            assert np.array_equal(ours, theirs), column
    assert (one.records, one.skipped, one.interfaces) == (other.records, other.skipped, other.interfaces)
    assert one.warnings == other.warnings


def damaged(raw: bytes, hits: list[tuple[float, int, bytes]], keep: float) -> bytes:
    """`raw` with bytes overwritten, inserted or left out at relative places, then cut."""
    for where, gap, value in hits:
        at = int(where * len(raw))
        raw = raw[:at] + value + raw[at + gap :]
    return raw[: int(keep * len(raw))]


damages = st.lists(
    st.tuples(
        st.floats(0, 1), st.integers(0, 8), st.one_of(st.binary(max_size=8), st.just(b"\xff" * 4), st.just(bytes(40)))
    ),
    max_size=4,
)


@given(
    sent=st.lists(some.packets, min_size=1, max_size=8),
    ng=st.booleans(),
    link=st.sampled_from([ETHERNET, SLL, SLL2, RAW]),
    snap=st.sampled_from([40, 60, 70, 96, 262144]),
    hits=damages,
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
    chunk=st.sampled_from([33, 500, 1000]),
)
def test_damage_gives_what_is_readable_or_one_line(
    path: Path,
    sent: list[Packet],
    ng: bool,
    link: int,
    snap: int,
    hits: list[tuple[float, int, bytes]],
    keep: float,
    chunk: int,
) -> None:
    frames = [(T + number, packet.frame(link)) for number, packet in enumerate(sent)]
    if ng:
        blocks = [pack.enhanced("<", 0, time_ns, frame, snap=snap) for time_ns, frame in frames]
        raw = pack.section() + pack.interface(link_type=link, resolution=9) + b"".join(blocks)
    else:
        raw = pack.classic(frames, snap=snap, link_type=link)
    path.write_bytes(damaged(raw, hits, keep))
    started = time.monotonic()
    try:
        found = read_pcap(path)
    except AnalysisError as error:
        assert "\n" not in str(error)
        return
    assert time.monotonic() - started < 5
    assert found.records == len(found) + found.skipped.not_tcp + found.skipped.fragments + found.skipped.cut
    for name in OPTION_TABLES:
        packet = getattr(found, name).packet
        assert not len(packet) or (packet[0] >= 0 and packet[-1] < len(found) and np.all(np.diff(packet) >= 0))
    # Guesses and windows differ with the size of the chunks; what is read must not.
    same(found, read_pcap(path, chunk_bytes=chunk))


@given(
    raw=st.binary(max_size=2000),
    start=st.sampled_from(
        [
            b"",
            pack.classic([]),
            pack.section(),
            pack.section(">") + pack.interface(">"),
        ]
    ),
)
def test_noise_is_survived(path: Path, raw: bytes, start: bytes) -> None:
    path.write_bytes(start + raw)
    try:
        read_pcap(path)
    except AnalysisError as error:
        assert "\n" not in str(error)
