"""Damaged real captures: always packets or one line, never another exception or an endless loop.

The damage is drawn from a generator with a fixed seed: the same in every run.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import capture_variants as variants
import numpy as np
import pytest

from analysis.pcap import Packets, read_pcap
from analysis.pcap.addresses import texts
from testbed.base.errors import AnalysisError

ROUNDS = 30 * int(os.environ.get("DECODER_FUZZING", "1"))
"""Damaged files of each capture and format; more of them with DECODER_FUZZING=100 in the environment."""

DAMAGED = re.compile(r"capture\.pcap: (truncated record|garbage|zeros|more than 65536 interfaces) at byte (\d+): ")
SAID_BY_THE_FILE = re.compile(
    r"capture\.pcap: (the capture lost \d+ packets on interface .*|\d+ packets have no time \(Simple Packet Blocks\)"
    r"|\d+ packets have a time that cannot be .*"
    r"|\d+ frames of link type \d+( \(.*\))? are not decoded"
    r"|of \d+ of \d+ frames the headers were not captured .*|of \d+ of \d+ TCP packets the options were not .*)"
)
Damage = Callable[[random.Random, bytearray], None]


def flip(chance: random.Random, content: bytearray) -> None:
    for _ in range(chance.randint(1, 40)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def overwrite(chance: random.Random, content: bytearray) -> None:
    at, size = chance.randrange(len(content)), chance.randint(1, 64)
    content[at : at + size] = chance.choice([bytes(size), b"\xff" * size, chance.randbytes(size)])


def cut(chance: random.Random, content: bytearray) -> None:
    del content[chance.randrange(len(content)) :]


def take_out(chance: random.Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.randint(1, 200)]


def insert(chance: random.Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    content[at:at] = chance.randbytes(chance.randint(1, 200))


def repeat(chance: random.Random, content: bytearray) -> None:
    at, size = chance.randrange(len(content)), chance.randint(1, 2000)
    content[at:at] = content[at : at + size]


DAMAGES: tuple[Damage, ...] = (flip, overwrite, cut, take_out, insert, repeat)


def check(path: Path) -> Packets | None:
    """Read a file that may be anything; what holds of every outcome."""
    size = path.stat().st_size
    try:
        packets = read_pcap(path)
    except AnalysisError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
        return None
    for warning in packets.warnings:
        damaged = DAMAGED.match(warning)
        assert damaged or SAID_BY_THE_FILE.fullmatch(warning), warning
        assert not damaged or int(damaged[2]) < size
    assert sum(bool(DAMAGED.match(warning)) for warning in packets.warnings) <= 1
    assert len(packets) + sum(vars(packets.skipped).values()) == packets.records
    assert sum(packets.others.values()) + sum(packets.opaque.values()) == packets.records - len(packets)
    assert (packets.option_offset + packets.option_bytes <= size).all()
    for table in packets.tables.values():
        assert (table.packet[:-1] <= table.packet[1:]).all()
        assert not len(table) or (table.packet[0] >= 0 and table.packet[-1] < len(packets))
    return packets


def same(one: Packets | None, other: Packets | None) -> bool:
    """Whether two readings of a file agree in everything (IPv6 addresses may have other numbers)."""
    if one is None or other is None:
        return one is other
    if any(
        getattr(one, name) != getattr(other, name) for name in ("records", "skipped", "others", "opaque", "warnings")
    ):
        return False
    left, right = (dict(everything(packets)) for packets in (one, other))
    return left.keys() == right.keys() and all(np.array_equal(values, right[name]) for name, values in left.items())


def everything(packets: Packets) -> Iterator[tuple[str, Any]]:
    """Every column of the packets and of the tables, addresses as text."""
    versions = {
        "src": packets.ip_version,
        "dst": packets.ip_version,
        "add_addr.address": packets.add_addr.ip_version,
        "add_addr.signed_address": packets.add_addr.ip_version,
    }
    for prefix, table in [("", packets), *((f"{name}.", table) for name, table in packets.tables.items())]:
        for name, values in table.columns().items():
            version = versions.get(prefix + name)
            yield prefix + name, values if version is None else texts(values, version, packets.ipv6)


def damage_is_where_the_warning_says(packets: Packets, content: bytes, path: Path) -> None:
    """Up to that byte the file is whole and has the same packets; without such a warning all of it was read."""
    places = [int(found[2]) for warning in packets.warnings if (found := DAMAGED.match(warning))]
    if not places:
        return
    (end,) = places
    if end == 0:
        assert packets.records == 0
        return
    path.write_bytes(content[:end])
    before = read_pcap(path)
    assert [warning for warning in before.warnings if DAMAGED.match(warning)] == []
    assert same(packets, replace(before, warnings=packets.warnings))


@pytest.mark.timeout(4 * ROUNDS)
@pytest.mark.parametrize("format_name", ["nsecpcap", "pcapng"])
@pytest.mark.parametrize("name", variants.NAMES)
def test_damaged_captures(name: str, format_name: str, tmp_path: Path) -> None:
    chance = random.Random(f"{name} {format_name}")
    (tmp_path / "original").write_bytes(variants.raw(name))
    variants.converted(tmp_path / "original", format_name, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    path = tmp_path / "capture.pcap"
    outcomes = []
    for _ in range(ROUNDS):
        content = bytearray(whole)
        for damage in chance.choices(DAMAGES, k=chance.randint(1, 3)):
            if content:
                damage(chance, content)
        path.write_bytes(content)
        packets = check(path)
        outcomes.append(packets is not None)
        if packets is not None:
            assert same(packets, read_pcap(path, chunk_bytes=chance.choice([700, 3000, 9000])))
            damage_is_where_the_warning_says(packets, bytes(content), path)
    assert sum(outcomes) > ROUNDS // 2  # most damage leaves packets to read: not everything was refused


@pytest.mark.parametrize("name", variants.NAMES)
def test_a_capture_cut_in_the_middle_of_a_record_gives_those_before_it(name: str, tmp_path: Path) -> None:
    chance = random.Random(name)
    content = variants.raw(name)
    path = tmp_path / "capture.pcap"
    path.write_bytes(content)
    whole = read_pcap(path)
    ends, at = [24], 24
    for _, _, frame in variants.records(content):
        at += 16 + len(frame)
        ends.append(at)
    for number in chance.sample(range(len(ends) - 1), 20):
        size = chance.randint(ends[number] + 1, ends[number + 1] - 1)
        path.write_bytes(content[:size])
        packets = read_pcap(path)
        assert packets.records == number
        assert packets.frame.tolist() == whole.frame[whole.frame <= number].tolist()
        lost = size - ends[number]
        assert packets.warnings == (
            f"capture.pcap: truncated record at byte {ends[number]}: {lost} bytes are not read",
        )


@pytest.mark.parametrize("size", range(24))
def test_a_capture_without_a_whole_header_is_one_line(size: int, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(variants.raw("tagged")[:size])
    with pytest.raises(AnalysisError) as caught:
        read_pcap(path)
    assert str(caught.value) == f"{path}: {'not a pcap or pcapng file' if size else 'the capture is empty'}"
