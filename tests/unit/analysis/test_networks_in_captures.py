"""Networks in one capture that use the same addresses and ports at one time: their connections stay apart."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import packet_maker as make
import pytest
import tunnel_encoder as tunnel
from download_maker import MS, Frames, S, download, renumbered, some

from analysis.summary.of_captures import analyse_captures

Wrap = Callable[[bytes], bytes]
ETHERNET, SLL2 = 1, 276


def tagged(vlan: int) -> Wrap:
    return lambda frame: frame[:12] + struct.pack(">HH", 0x8100, vlan) + frame[12:]


def cooked2(device: int) -> Wrap:
    return lambda frame: struct.pack(">HHIHBB8s", 0x0800, 0, device, 1, 0, 6, bytes(8)) + frame[14:]


def in_ipip(frame: bytes) -> bytes:
    return tunnel.ethernet(tunnel.ipv4(4, frame[14:]))


def connections(tmp_path: Path, frames: Frames, link: int = ETHERNET) -> list[tuple[Any, ...]]:
    path = tmp_path / "trunk.pcap"
    path.write_bytes(make.pcap_bytes(sorted(frames, key=lambda each: each[0]), snap=65535, link=link))
    rows = analyse_captures([path]).tables["connections"].to_pylist()
    return [some(row, "protocol", "bytes_to_client", "distinct_to_client", "retransmitted_to_client") for row in rows]


WHOLE = ("mptcp", 40_000, 40_000, 0)


def wrapped(frames: Frames, wrap: Wrap) -> Frames:
    return [(t, wrap(frame)) for t, frame in frames]


def other(after: int, client: int = 700) -> Frames:
    """Another download between the same ends, later by so much."""
    return [(t + after, frame) for t, frame in renumbered(download(), client=client, server=100_000)]


@pytest.mark.parametrize("after", [0, MS // 3, 50 * MS])
@pytest.mark.parametrize("client", [700, 1 << 31, -50])
@pytest.mark.parametrize(
    ("one", "two", "link"),
    [(tagged(5), tagged(6), ETHERNET), (bytes, tagged(6), ETHERNET), (cooked2(2), cooked2(3), SLL2),
     (bytes, in_ipip, ETHERNET)],
)  # fmt: skip
def test_two_networks_have_a_connection_each(
    tmp_path: Path, one: Wrap, two: Wrap, link: int, after: int, client: int
) -> None:
    frames = wrapped(download(), one) + wrapped(other(after, client), two)
    assert connections(tmp_path, frames, link) == [WHOLE, WHOLE]


@pytest.mark.parametrize("first", [1, 3, 40])
def test_a_connection_that_changes_its_vlan_is_one(tmp_path: Path, first: int) -> None:
    frames = wrapped(download()[:first], tagged(5)) + wrapped(download()[first:], tagged(6))
    assert connections(tmp_path, frames) == [WHOLE]


@pytest.mark.parametrize("first", [20, 80])
def test_a_port_that_is_used_again_in_the_vlan_that_a_connection_went_to(tmp_path: Path, first: int) -> None:
    later = other(10 * S)
    frames = wrapped(download()[:first], tagged(5)) + wrapped(download()[first:] + later[:first], tagged(6))
    assert connections(tmp_path, frames + wrapped(later[first:], tagged(5))) == [WHOLE, WHOLE]


def test_the_members_of_a_bond_carry_one_connection_after_the_other(tmp_path: Path) -> None:
    frames = [*download(), *other(10 * S)]
    frames = [(t, cooked2(2 + number % 4 // 2)(frame)) for number, (t, frame) in enumerate(frames, 1)]
    assert connections(tmp_path, frames, SLL2) == [WHOLE, WHOLE]
