"""Bytes that were acknowledged and are not in the capture: counted exactly, and never where a capture is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import capture_variants as variants
import download_maker as given
import numpy as np
import packet_maker as make
import pytest
from download_maker import ANSWER, END, ISN, LAST_SEQ, MS, PORT, Frames, analysed, download

from analysis.flows.connections import find_connections
from analysis.flows.limitations import losses
from analysis.flows.observation import Observation
from analysis.summary.of_captures import analyse_captures

HEAD = 3
"""Packets of the handshake; then come data and its acknowledgement in turn."""


def ack(number: int, at: int = END, options: bytes = b"") -> tuple[int, bytes]:
    return at, make.to_server(PORT, 80, make.ACK, seq=ISN + 1, ack=number % (1 << 32), options=options)


def data(number: int, at: int = END, payload: int = 1000, flags: int = 0) -> tuple[int, bytes]:
    return at, make.to_client(80, PORT, make.ACK | flags, seq=number % (1 << 32), ack=ISN + 1, payload=payload)


def sack(*blocks: tuple[int, int]) -> bytes:
    numbers = b"".join(edge.to_bytes(4, "big") for block in blocks for edge in block)
    return bytes([1, 1, 5, 2 + len(numbers)]) + numbers


def without(frames: Frames, *left_out: int) -> Frames:
    return [frame for number, frame in enumerate(frames) if number not in left_out]


def lost(count: int, connections: str = "1 connection", end: str = "client", where: str = "in the capture") -> str:
    return f"{count} bytes to the {end} were acknowledged and are not {where} (in {connections})"


def closing(at: int = END) -> Frames:
    """FIN of the server, of the client, and the last acknowledgement."""
    return [
        data(LAST_SEQ, at + MS, payload=0, flags=make.FIN),
        (at + 2 * MS, make.to_server(PORT, 80, make.ACK | make.FIN, seq=ISN + 1, ack=LAST_SEQ + 1)),
        (at + 3 * MS, make.to_client(80, PORT, make.ACK, seq=LAST_SEQ + 1, ack=ISN + 2)),
    ]


@pytest.mark.parametrize(
    ("left_out", "count"),
    [
        ((HEAD + 10,), 1000),
        ((HEAD + 10, HEAD + 11, HEAD + 20), 2000),
        (tuple(range(HEAD, HEAD + 20)), 10_000),  # right behind the handshake
        ((2, *range(HEAD, HEAD + 20)), 10_000),
        ((1, 2, HEAD + 4), 1000),  # without the SYN+ACK the first acknowledgement says where it begins
        ((HEAD + 76, HEAD + 78), 2000),  # the last ones
        ((HEAD + 76, HEAD + 78, HEAD + 80), 2000),  # and the FIN
        ((HEAD + 80,), 0),  # the FIN alone
        ((HEAD + 79, HEAD + 81, HEAD + 82), 0),  # acknowledgements
    ],
)
def test_bytes_that_were_dropped_are_counted(tmp_path: Path, left_out: tuple[int, ...], count: int) -> None:
    found = analysed(tmp_path, without([*download(), *closing()], *left_out))
    assert found.lost == ((lost(count),) if count else ())
    assert found.warnings == found.lost
    assert found.notes == ()
    (row,) = given.rows(found, "points")
    assert (row["valid"], row["invalid_reasons"]) == (not count, lost(count) if count else "")


def test_connections_and_directions_are_told_apart(tmp_path: Path) -> None:
    upload = [(END + 2 * MS, make.to_server(PORT, 80, make.ACK, seq=ISN + 101, ack=LAST_SEQ, payload=50)),
              (END + 3 * MS, make.to_client(80, PORT, make.ACK, seq=LAST_SEQ, ack=ISN + 151))]  # fmt: skip
    first = [*without(download(), HEAD + 10), *upload]
    second = without(download(port=PORT + 1, start=given.T + given.S), HEAD + 30)
    found = analysed(tmp_path, [*first, *second])
    assert found.lost == (lost(2000, "2 connections"), lost(100, end="server"))


def test_a_capture_that_is_not_whole_ends_with_status_6(
    analyze: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = make.write_pcap(tmp_path / "a.pcap", without(download(), HEAD + 10))
    status, _, err = analyze(path)
    assert (status, err) == (6, f"testbed: error: not whole: {lost(1000)} (the rest is analysed)\n")


@pytest.mark.parametrize("start", [(1 << 32) - 20_000, (1 << 32) - 1, 2**31 - 5])
def test_numbers_that_go_round(tmp_path: Path, start: int) -> None:
    def moved(frame: bytes) -> bytes:
        at = (
            38 if frame[34:36] == b"\0\x50" else 42
        )  # the sequence number of the server's, the client's acknowledgement
        number = int.from_bytes(frame[at : at + 4], "big")
        return frame[:at] + ((number - ANSWER + start) % (1 << 32)).to_bytes(4, "big") + frame[at + 4 :]

    frames = download()
    frames = [frames[0], *((t, moved(frame)) for t, frame in frames[1:])]
    assert analysed(tmp_path, frames).lost == ()
    assert analysed(tmp_path, without(frames, HEAD + 38, HEAD + 40)).lost == (lost(2000),)


@pytest.mark.parametrize("first", [HEAD, HEAD + 1, HEAD + 10, HEAD + 11, HEAD + 79])
def test_what_was_acknowledged_before_the_capture_is_not_missing(tmp_path: Path, first: int) -> None:
    service = {"service": (make.VIP, 80)}
    frames = [*download(), *closing()]
    assert analysed(tmp_path, frames[first:], **service).lost == ()
    if first < HEAD + 20:
        later = without(frames, *range(first), *range(HEAD + 30, HEAD + 35))
        assert analysed(tmp_path, later, **service).lost == (lost(3000),)


def test_what_was_under_way_before_the_capture_is_not_missing(tmp_path: Path) -> None:
    # 1000 to 8000 were sent before the capture began; 1000 and 4000 were lost on the way, and come again.
    held, more = sack((2000, 4000), (5000, 8000)), sack((5000, 9000))
    frames = [
        data(1000), ack(1000, options=held), data(8000), ack(4000, options=more), data(4000), ack(9000),
        data(9000), ack(10_000), data(10_000), data(11_000), ack(12_000),
    ]  # fmt: skip
    frames = [(given.T + n * MS, frame) for n, (_, frame) in enumerate(frames)]
    assert analysed(tmp_path, frames, service=(make.VIP, 80)).lost == ()
    assert analysed(tmp_path, without(frames, 8), service=(make.VIP, 80)).lost == (lost(1000),)


def test_a_snap_length_leaves_out_bytes_and_no_packets(tmp_path: Path) -> None:
    path = make.write_pcap(tmp_path / "a.pcap", download(), snap=90)
    assert analyse_captures([path]).lost == ()


@pytest.mark.parametrize("payload", [0, 1])
@pytest.mark.parametrize("first", [0, HEAD + 80])
def test_keep_alives_are_no_data(tmp_path: Path, payload: int, first: int) -> None:
    probes = [data(LAST_SEQ - 1, END + MS, payload=payload), ack(LAST_SEQ, END + 2 * MS)]
    back = [(END + 3 * MS, make.to_server(PORT, 80, make.ACK, seq=ISN, ack=LAST_SEQ, payload=payload)),
            data(LAST_SEQ, END + 4 * MS, payload=0)]  # fmt: skip
    frames = [*download(), *probes, *back, *closing(END + given.S)]
    assert analysed(tmp_path, frames[first:], service=(make.VIP, 80)).lost == ()


def test_bursts_are_as_long_as_they_were(tmp_path: Path) -> None:
    burst = [data(LAST_SEQ, END + MS, payload=60_000), ack(LAST_SEQ + 60_000, END + 2 * MS)]
    assert analysed(tmp_path, [*download(), *burst]).lost == ()


def test_a_number_that_goes_back_again_acknowledges_nothing(tmp_path: Path) -> None:
    frames = download()
    stray = [ack(LAST_SEQ + 500_000, frames[30][0])]
    assert analysed(tmp_path, [*frames[:31], *stray, *frames[31:]]).lost == ()
    assert analysed(tmp_path, [*frames, ack(LAST_SEQ + (1 << 30), END + MS)]).lost == ()


def test_answers_of_two_servers_to_one_syn_prove_nothing(tmp_path: Path) -> None:
    other = (given.T + 11 * MS, make.to_client(80, PORT, make.SYN | make.ACK, seq=77_000, ack=ISN + 1))
    frames = download()
    assert analysed(tmp_path, [*frames[:2], other, *frames[2:]]).lost == ()


def test_one_direction_alone_is_another_limitation(tmp_path: Path) -> None:
    client = bytes(map(int, make.CLIENT.split(".")))
    found = analysed(tmp_path, [(t, frame) for t, frame in download() if frame[26:30] == client])
    assert (found.lost, len(found.notes)) == ((), 1)


def test_places_are_one_capture_where_each_has_a_part(tmp_path: Path) -> None:
    frames = download()
    parts = [[each for number, each in enumerate(frames) if number // 2 % 2 == part] for part in (0, 1)]
    assert analysed(tmp_path, *parts).lost == ()
    assert analysed(tmp_path, parts[0]).lost == (lost(20_000),)


def test_of_two_places_one_counts(tmp_path: Path) -> None:
    frames = download()
    farther = [(t + 1000, frame[:22] + b"\x3f" + frame[23:]) for t, frame in frames]
    assert analysed(tmp_path, frames, farther).lost == ()
    lacking = without(frames, HEAD + 10)
    assert analysed(tmp_path, lacking, farther).lost == (lost(1000, where="in the captures that count"),)


@pytest.mark.parametrize("name", variants.NAMES)
def test_the_captures_of_the_lab_are_whole_from_wherever_they_begin(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(variants.raw(name))
    whole = analyse_captures([path])
    assert whole.lost == ()
    packets, addresses = whole.observed.packets, whole.observed.addresses
    for first in range(1, len(packets) - 1, 10):
        part = packets.select(np.arange(first, len(packets)))
        traffic = find_connections(part, addresses)
        observed = Observation("part", part, traffic, addresses, start_ns=int(part.time_ns[0]), end_ns=None)
        assert losses(observed) == []
