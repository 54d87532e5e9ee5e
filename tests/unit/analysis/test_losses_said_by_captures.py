"""What a pcapng says was lost, in whichever of its counters: one line and status 6."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import capture_encoder as pack
import download_maker as given
import packet_maker as make
import pytest

from analysis.pcap import read_pcap

T = 1_700_000_000 * 10**6
FRAME = make.to_client(80, 40001, make.ACK)


def packet(order: str, **drops: int) -> bytes:
    return pack.enhanced(order, 0, T, FRAME, **drops)


def old(order: str, drops: int) -> bytes:
    return pack.old_packet(order, 0, T, FRAME, drops=drops)


def losses(path: Path, order: str, *blocks: bytes) -> tuple[str, ...]:
    """The warnings about a file of one interface with these blocks, read whole or in small chunks."""
    path.write_bytes(pack.section(order) + pack.interface(order, name="eth0") + b"".join(blocks))
    found = read_pcap(path).warnings
    assert read_pcap(path, chunk_bytes=100).warnings == found
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("blocks", "lost"),
    [
        (lambda order: [packet(order), packet(order, drops=5), packet(order, drops=0), packet(order, drops=7)], 12),
        (lambda order: [packet(order, drops=1 << 40)] * 3, 3 << 40),
        (lambda order: [old(order, 5), old(order, 0xFFFE)], 5 + 0xFFFE),
        (lambda order: [old(order, 5), packet(order, drops=7)], 12),
        (lambda order: [packet(order), pack.statistics(order, 0, None, by_system=9)], 9),
        # Different packets.
        (lambda order: [packet(order), pack.statistics(order, 0, 4, by_system=9)], 13),
        # Each counts from the beginning of the capture.
        (lambda order: [pack.statistics(order, 0, 4), packet(order), pack.statistics(order, 0, 9)], 9),
        (lambda order: [pack.statistics(order, 0, 9), packet(order), pack.statistics(order, 0, 4)], 9),
        # The packets have what the statistics sum up, as far as the last of them.
        (lambda order: [packet(order, drops=5), packet(order, drops=7), pack.statistics(order, 0, 20)], 20),
        (lambda order: [packet(order, drops=5), pack.statistics(order, 0, 5), packet(order, drops=7)], 12),
    ],
)
def test_every_counter_of_losses_is_said(
    tmp_path: Path, order: str, blocks: Callable[[str], list[bytes]], lost: int
) -> None:
    assert losses(tmp_path / "a.pcapng", order, *blocks(order)) == (
        f"a.pcapng: the capture lost {lost} packets on interface eth0",
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_capture_that_says_it_lost_nothing_is_whole(tmp_path: Path, order: str) -> None:
    # In an old block all ones: not known.
    blocks = [packet(order), packet(order, drops=0), old(order, 0), old(order, 0xFFFF), pack.statistics(order, 0, 0, 0)]
    assert losses(tmp_path / "a.pcapng", order, *blocks) == ()


def test_losses_are_those_of_each_interface(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    part = [pack.section(), pack.interface(name="a"), pack.interface(name="b"), packet("<", drops=1),
            pack.enhanced("<", 1, T, FRAME, drops=2)]  # fmt: skip
    path.write_bytes(b"".join([*part, *part, packet("<", drops=4)]))
    assert list(read_pcap(path).warnings) == [
        f"a.pcapng: the capture lost {count} packets on interface {name}"
        for count, name in ((1, "a"), (2, "b"), (5, "a"), (2, "b"))
    ]


def test_options_that_do_not_fit_their_block_say_nothing(tmp_path: Path) -> None:
    head = packet("<")[8:-4]
    bad = [pack.option("<", 4, bytes(7) + b"\1")[:8], pack.option("<", 4, b"\1" * 4), b"\1\0\xff\xff" + b"\4\0\x08\0",
           pack.option("<", 0, b"") + pack.option("<", 4, b"\1" * 8)]  # fmt: skip
    blocks = [pack.block("<", 6, head + bytes(-len(head) % 4) + each) for each in bad]
    assert losses(tmp_path / "a.pcapng", "<", *blocks) == ()


def test_a_capture_that_lost_packets_ends_with_status_6(
    analyze: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "a.pcapng"
    blocks = [
        pack.enhanced("<", 0, t // 1000, frame, drops=n) for n, (t, frame) in enumerate(given.download(packets=2))
    ]
    path.write_bytes(pack.section() + pack.interface() + b"".join(blocks))
    status, _, err = analyze(path)
    assert (status, err) == (
        6,
        "testbed: error: not whole: a.pcapng: the capture lost 21 packets on interface 0 (the rest is analysed)\n",
    )
