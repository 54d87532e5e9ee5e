"""Copies of a packet in one capture count once: routers with `-i any`, directors, one-legged routers, mirror ports."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import download_maker as given
import packet_maker as make
import pytest
import tunnel_encoder as tunnel
from download_maker import MS, Frames, T

from analysis.flows.duplicates import separate_duplicates
from analysis.pcap import merge, read_pcap
from analysis.summary.of_captures import CapturesAnalysis, analyse_captures

Wrap = Callable[[bytes], bytes]
ETHERNET, SLL, SLL2 = 1, 113, 276


def farther(frame: bytes, hops: int = 1) -> bytes:
    """The IP packet of an Ethernet frame, so many routers later."""
    packet = frame[14:]
    return packet[:8] + bytes([packet[8] - hops]) + packet[9:]


def cooked2(packet: bytes, device: int, kind: int = 0) -> bytes:
    return struct.pack(">HHIHBB8s", 0x0800, 0, device, 1, kind, 6, bytes(8)) + packet


def cooked(packet: bytes, kind: int) -> bytes:
    return struct.pack(">HHH8sH", kind, 1, 6, bytes(8), 0x0800) + packet


def twice(frames: Frames, first: Wrap, second: Wrap, after_ns: int = 50_000) -> Frames:
    """Each frame as it comes and as it goes."""
    copies = [(t + delay, wrap(frame)) for t, frame in frames for delay, wrap in ((0, first), (after_ns, second))]
    return sorted(copies, key=lambda each: each[0])


def analysed(tmp_path: Path, frames: Frames, link: int = ETHERNET) -> CapturesAnalysis:
    path = tmp_path / "any.pcap"
    path.write_bytes(make.pcap_bytes(frames, snap=65535, link=link))
    return analyse_captures([path])


def expect_one_download(found: CapturesAnalysis, *, places: int = 2, bytes_to_client: int = 40_000) -> dict[str, Any]:
    (row,) = found.tables["connections"].to_pylist()
    assert (row["protocol"], row["end"], row["subflows"]) == ("mptcp", "open", 1)
    assert (row["bytes_to_client"], row["distinct_to_client"]) == (bytes_to_client, bytes_to_client)
    assert row["retransmitted_to_client"] == 0
    (subflow,) = found.tables["subflows"].to_pylist()
    assert (subflow["points_seen"], subflow["syns"]) == (places, 1)
    assert found.warnings == ()
    return subflow


def note(found: CapturesAnalysis) -> str:
    (said,) = [each for each in found.notes if "copies" in each]
    return said


def test_a_router_s_capture_of_all_interfaces_counts_each_packet_once(tmp_path: Path) -> None:
    frames = twice(given.download(), lambda f: cooked2(f[14:], 2), lambda f: cooked2(farther(f), 3, 4))
    found = analysed(tmp_path, frames, SLL2)
    assert expect_one_download(found)["interface"] == "any.pcap index 2"
    assert note(found) == (
        "any.pcap: 83 of 166 TCP packets are copies of others (seen index 2; index 3): each packet counts once"
    )
    assert found.tables["seconds"].column("packets").to_pylist() == [41, 42]


def test_where_interfaces_have_no_names_the_direction_tells(tmp_path: Path) -> None:
    frames = twice(given.download(), lambda f: cooked(f[14:], 0), lambda f: cooked(farther(f), 4))
    found = analysed(tmp_path, frames, SLL)
    expect_one_download(found)
    assert note(found) == (
        "any.pcap: 83 of 166 TCP packets are copies of others (seen outgoing; SLL names no interfaces, only "
        "directions): each packet counts once"
    )


@pytest.mark.parametrize("link", [SLL, SLL2])
def test_a_bridge_between_containers_shows_a_packet_three_times(tmp_path: Path, link: int) -> None:
    def wrap(device: int, kind: int) -> Wrap:
        return lambda f: cooked2(f[14:], device, kind) if link == SLL2 else cooked(f[14:], kind)

    frames = twice(given.download(), wrap(5, 0), wrap(6, 0))
    frames += [(t + 90_000, wrap(7, 4)(frame)) for t, frame in given.download()]
    expect_one_download(analysed(tmp_path, sorted(frames, key=lambda each: each[0]), link), places=3)


@pytest.mark.parametrize("link", [SLL, SLL2])
def test_all_interfaces_of_an_end_host_are_one_place(tmp_path: Path, link: int) -> None:
    # In by one interface, out by another: nothing is there twice.
    def wrap(frame: bytes) -> bytes:
        is_sent = frame[26:30] == bytes([10, 0, 1, 2])
        return cooked2(frame[14:], 2 + is_sent, 4 * is_sent) if link == SLL2 else cooked(frame[14:], 4 * is_sent)

    found = analysed(tmp_path, [(t, wrap(frame)) for t, frame in given.download()], link)
    expect_one_download(found, places=1)
    assert [each for each in found.notes if "copies" in each] == []


def test_a_router_that_splits_bursts_counts_them_once(tmp_path: Path) -> None:
    # What comes in as one burst of 2 kB goes out as two segments.
    into, out = [], []
    for t, frame in given.download():
        into.append((t, cooked2(frame[14:], 2)))
        out.append((t + 10, cooked2(farther(frame), 3)))
    bursts = [each for each in into if len(each[1]) > 1000]
    merged = []
    for (t, one), _ in zip(bursts[::2], bursts[1::2], strict=True):
        length = struct.pack(">H", 40 + 2000)
        merged.append((t, one[:22] + length + one[24:] + bytes(1000)))
    into = sorted([each for each in into if len(each[1]) <= 1000] + merged)
    expect_one_download(analysed(tmp_path, sorted(into + out, key=lambda each: each[0]), SLL2))


def test_a_director_has_a_packet_plain_and_in_its_tunnel(tmp_path: Path) -> None:
    # LVS-TUN: the answers do not come past the director.
    up = [(t, frame) for t, frame in given.download() if frame[30:34] == bytes([10, 0, 1, 80])]
    frames = twice(up, bytes, lambda f: tunnel.ethernet(tunnel.ipv4(4, farther(f))))
    found = analysed(tmp_path, frames)
    (subflow,) = found.tables["subflows"].to_pylist()
    assert (subflow["points_seen"], subflow["packets_to_server"], subflow["syns"]) == (2, 42, 1)
    assert subflow["tunnel"] is None
    assert "seen in IPIP" in note(found)
    assert f"of {2 * 42} TCP packets were in tunnels: 42 in IPIP" in found.notes


def test_a_server_has_a_packet_in_its_tunnel_and_out_of_it(tmp_path: Path) -> None:
    frames = []
    for t, frame in given.download():
        if frame[30:34] == bytes([10, 0, 1, 80]):
            frames += [(t, cooked2(tunnel.ipv4(4, frame[14:]), 2)), (t + 1000, cooked2(frame[14:], 9))]
        else:
            frames.append((t, cooked2(frame[14:], 2, 4)))
    subflow = expect_one_download(analysed(tmp_path, frames, SLL2), places=3)
    assert subflow["packets_to_server"] == 42


@pytest.mark.parametrize(
    "second",
    [
        lambda f: f[:6] + b"\2\2\2\2\2\2" + f[12:14] + farther(f),  # LVS-DR, a router on one leg
        lambda f: f[:6] + b"\2\2\2\2\2\2" + f[12:],
        lambda f: f,  # a mirror port that shows both its sides
        lambda f: f[:12] + b"\x81\0\0\5" + f[12:14] + farther(f),  # to another VLAN
    ],
)
def test_a_packet_in_and_out_of_one_interface_counts_once(tmp_path: Path, second: Wrap) -> None:
    found = analysed(tmp_path, twice(given.download(), bytes, second))
    expect_one_download(found)
    assert "83 of 166 TCP packets are copies of others" in note(found)


def with_isn(frames: Frames, isn: int) -> Frames:
    """The same with another initial sequence number in the SYN: otherwise flows look like one, its port translated."""
    (t, syn), *others = frames
    return [(t, syn[:38] + struct.pack(">I", isn) + syn[42:]), *others]


def test_several_flows_and_a_reused_port_stay_what_they_are(tmp_path: Path) -> None:
    other = with_isn(given.download(port=4444, start=T + 1000 * MS), 5555)
    frames = [*given.download(), *other, *with_isn(given.download(start=T + 5000 * MS), 77777)]
    found = analysed(tmp_path, twice(frames, lambda f: cooked2(f[14:], 2), lambda f: cooked2(farther(f), 3)), SLL2)
    connections = found.tables["connections"].to_pylist()
    assert [(row["client_port"], row["bytes_to_client"]) for row in connections] == [
        (4000, 40_000), (4444, 40_000), (4000, 40_000),
    ]  # fmt: skip


def test_equal_rsts_and_acknowledgements_are_no_copies(tmp_path: Path) -> None:
    frames = given.download()
    frames += [(given.END + n * MS, make.to_client(80, 4000, make.RST, seq=given.LAST_SEQ)) for n in range(1, 6)]
    frames += [(given.END + n * MS, make.to_server(4000, 80, make.ACK, seq=101, ack=501)) for n in range(10, 15)]
    found = analysed(tmp_path, frames)
    assert found.tables["resets"].num_rows == 5
    (subflow,) = found.tables["subflows"].to_pylist()
    assert (subflow["packets_to_server"], subflow["points_seen"]) == (42 + 5, 1)


def test_what_is_sent_again_later_or_once_is_no_copy(tmp_path: Path) -> None:
    frames = given.download()
    data = [each for each in frames if len(each[1]) > 1000]
    late = [(t + 300 * MS, frame) for t, frame in data]
    found = analysed(tmp_path, sorted(frames + late + [(data[9][0] + MS, data[9][1])], key=lambda each: each[0]))
    (row,) = found.tables["connections"].to_pylist()
    assert (row["bytes_to_client"], row["retransmitted_to_client"]) == (81_000, 41_000)


def test_a_capture_without_copies_is_left_as_it_is(tmp_path: Path) -> None:
    packets = merge([read_pcap(make.write_pcap(tmp_path / "a.pcap", given.download()))])
    assert separate_duplicates(packets) == (packets, [])


def test_rotated_captures_of_a_router_are_one(tmp_path: Path) -> None:
    frames = twice(given.download(), lambda f: cooked2(f[14:], 2), lambda f: cooked2(farther(f), 3))
    paths = [tmp_path / f"any{number}.pcap" for number in range(2)]
    for path, part in zip(paths, (frames[:80], frames[80:]), strict=True):
        path.write_bytes(make.pcap_bytes(part, snap=65535, link=SLL2))
    found = analyse_captures(paths)
    expect_one_download(found)
