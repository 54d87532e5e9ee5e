"""Captures in several files: those of one place that follow each other are one; what a second place saw counts once."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import capture_encoder as pack
import download_maker as given
import packet_maker as make
import pytest
from download_maker import MS, Frames, S, analysed, download, rows, some

from analysis.summary.of_captures import CapturesAnalysis, analyse_captures


def farther(frames: Frames, *, delay_ns: int = 5 * MS, clock_ns: int = 0) -> Frames:
    """What the server's side sees: the client's packets have come over a router there, the server's not yet."""
    client = bytes(map(int, make.CLIENT.split(".")))

    def moved(t: int, frame: bytes) -> tuple[int, bytes]:
        is_clients = frame[26:30] == client
        ttl = bytes([63 if is_clients else 64])
        return t + clock_ns + (delay_ns if is_clients else -delay_ns), frame[:22] + ttl + frame[23:]

    return [moved(*each) for each in frames]


def at_client(frames: Frames) -> Frames:
    """The client's side of it, where the server's packets have come over a router."""
    server = bytes(map(int, make.VIP.split(".")))
    return [(t, frame[:22] + (b"\x3f" if frame[26:30] == server else b"\x40") + frame[23:]) for t, frame in frames]


def moved(found: CapturesAnalysis) -> list[tuple[int, int, int]]:
    return [some(row, "bytes_to_client", "distinct_to_client", "subflows") for row in rows(found, "connections")]


def in_order(frames: Frames) -> Frames:
    return sorted(frames, key=lambda each: each[0])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_files_of_one_place_are_one_capture_in_any_order(tmp_path: Path, order: tuple[int, int]) -> None:
    files = [download()[:40], download()[40:]]
    found = analysed(tmp_path, *[files[each] for each in order])
    assert moved(found) == [(40_000, 40_000, 1)]
    names = [f"f{order.index(each)}.pcap" for each in (0, 1)]
    assert found.notes == (f"{names[0]}, {names[1]}: one capture, one after the other",)
    assert found.warnings == ()


def test_a_ring_of_many_files_is_one_capture(tmp_path: Path) -> None:
    frames = download()
    found = analysed(tmp_path, *[frames[at : at + 7] for at in range(0, len(frames), 7)][::-1])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert len(found.notes) == 1
    assert found.observed.point == "f0+f1+10 more"


def test_a_packet_that_is_repeated_at_the_border_of_two_files_is_a_retransmission(tmp_path: Path) -> None:
    frames = download()
    again = (frames[41][0] + MS // 2, frames[41][1])
    found = analysed(tmp_path, frames[:42], in_order([again, *frames[42:]]))
    assert moved(found) == [(41_000, 40_000, 1)]
    assert rows(found, "connections")[0]["retransmitted_to_client"] == 1000


@pytest.mark.parametrize("number_first", [0, 1])
def test_a_second_place_counts_once(tmp_path: Path, number_first: int) -> None:
    places = [at_client(download()), in_order(farther(download()))]
    found = analysed(tmp_path, places[number_first], places[1 - number_first])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert rows(found, "subflows")[0]["points_seen"] == 2
    assert found.notes == ()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
@pytest.mark.parametrize("cut", [40, 43])
def test_two_places_of_two_files_each(tmp_path: Path, order: tuple[int, ...], cut: int) -> None:
    client, server = at_client(download()), in_order(farther(download()))
    files = [client[:40], client[40:], server[:cut], server[cut:]]
    found = analysed(tmp_path, *[files[each] for each in order])
    assert moved(found) == [(40_000, 40_000, 1)]
    names = [f"f{order.index(each)}.pcap" for each in range(4)]
    assert set(found.notes) == {
        f"{names[0]}, {names[1]}: one capture, one after the other",
        f"{names[2]}, {names[3]}: one capture, one after the other",
    }


@pytest.mark.parametrize("years", [-20, 20])
def test_two_places_whose_clocks_are_years_apart_are_two_places(tmp_path: Path, years: int) -> None:
    client = [*download(), *given.join_by_client()]
    server = in_order(farther(client, clock_ns=years * 31_556_952 * S))
    found = analysed(tmp_path, at_client(client), server)
    assert moved(found) == [(40_000, 40_000, 2)]
    (note,) = found.notes
    assert note == (
        f"f1.pcap: its clock is 20.0 years {'ahead of' if years > 0 else 'behind'} that of f0.pcap: "
        "its times are moved by that"
    )
    assert found.tables["points"].to_pylist()[0]["duration_s"] < 1


def test_rotated_files_of_two_places_whose_clocks_are_years_apart(tmp_path: Path) -> None:
    client, server = at_client(download()), in_order(farther(download(), clock_ns=-20 * 31_556_952 * S))
    found = analysed(tmp_path, client[:40], server[:45], client[40:], server[45:])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert len(found.notes) == 3


def test_two_interfaces_that_saw_different_packets_at_one_time_stay_two(tmp_path: Path) -> None:
    one, other = given.join_by_client(), download()
    found = analysed(tmp_path, other, [(t - 190 * MS, frame) for t, frame in one])
    assert moved(found) == [(40_000, 40_000, 2)]
    assert [row["interface"] for row in rows(found, "subflows")] == ["f0.pcap", "f1.pcap"]
    assert found.notes == ()


def test_a_file_without_a_tcp_packet_among_others_is_named(tmp_path: Path) -> None:
    found = analysed(tmp_path, download()[:40], [], download()[40:])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert found.notes[0] == f"{tmp_path}/f1.pcap: no TCP packet in it"


def test_the_sections_of_one_pcapng_are_one_capture(tmp_path: Path) -> None:
    frames = download()
    sections = [
        pack.section() + pack.interface(name="eth0") + b"".join(pack.enhanced("<", 0, t // 1000, frame)
                                                                   for t, frame in part)
        for part in (frames[:40], frames[40:])
    ]  # fmt: skip
    path = tmp_path / "two.pcapng"
    path.write_bytes(b"".join(sections))
    found = analyse_captures([path])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert found.notes == ("the sections of two.pcapng: one capture, one after the other",)


def test_a_pcapng_of_very_many_interfaces_is_read_in_seconds(tmp_path: Path) -> None:
    """A packet on each of them: neither a place for each nor pairs of all are looked for."""
    many = 5_000
    content = [pack.section(), *[pack.interface(name=f"i{number}") for number in range(many)]]
    content += [pack.enhanced("<", number, given.T // 1000 + number, make.data(0, 1 + number % 60_000, 10)[1])
                for number in range(many)]  # fmt: skip
    content += [pack.enhanced("<", 0, t // 1000, frame) for t, frame in download()]
    path = tmp_path / "many.pcapng"
    path.write_bytes(b"".join(content))
    began = time.process_time()
    assert analyse_captures([path]).tables["connections"].num_rows > 1
    assert time.process_time() - began < 10


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("overlap", [2, 30, 70])
def test_a_capture_that_began_before_the_last_one_was_stopped_goes_on_from_it(
    tmp_path: Path, order: tuple[int, int], overlap: int
) -> None:
    frames = download()
    files = [frames[:75], frames[75 - overlap :]]
    found = analysed(tmp_path, *[files[each] for each in order])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert rows(found, "connections")[0]["retransmitted_to_client"] == 0
    assert rows(found, "subflows")[0]["points_seen"] == 1
    assert len(found.notes) == 1


def test_two_places_of_which_one_was_watched_longer_stay_two(tmp_path: Path) -> None:
    places = [at_client(download())[:60], in_order(farther(download()))[30:]]
    assert rows(analysed(tmp_path, *places), "subflows")[0]["points_seen"] == 2


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    found = analysed(tmp_path, download(), download())
    assert moved(found) == [(40_000, 40_000, 1)]
    assert found.notes == ()


def set_back(frames: Frames, by_ns: int, first: int) -> Frames:
    return [(t - (by_ns if number >= first else 0), frame) for number, (t, frame) in enumerate(frames)]


@pytest.mark.parametrize("by", [20 * MS, 50 * MS, S, 3600 * S])
@pytest.mark.parametrize("first", [30, 45, 60])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_clock_that_is_set_back_while_files_rotate_leaves_their_order(
    tmp_path: Path, by: int, first: int, order: tuple[int, ...]
) -> None:
    frames = set_back(download(), by, first)
    files = [frames[:30], frames[30:60], frames[60:]]
    found = analysed(tmp_path, *[files[each] for each in order])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert rows(found, "subflows")[0]["points_seen"] == 1
    names = ", ".join(f"f{order.index(each)}.pcap" for each in range(3))
    assert f"{names}: one capture, one after the other" in found.notes
    said = ("its times are moved by that", "the times go on from there", "sorted by time")
    assert any(note.endswith(said) for note in found.notes)


def test_files_whose_connections_have_one_port_after_the_other_stay_in_order(tmp_path: Path) -> None:
    later = download(start=given.T + 3600 * S)
    again = [(t, frame[:38] + bytes([frame[38] ^ 0x40]) + frame[39:]) for t, frame in later]  # other numbers
    found = analysed(tmp_path, download(), again)
    assert found.tables["points"].to_pylist()[0]["duration_s"] == pytest.approx(3600.108, abs=2e-3)


def test_what_only_the_farther_place_has_of_a_connection_is_said(tmp_path: Path) -> None:
    frames = [(given.T + (t - given.T) * 100, frame) for t, frame in download()]
    places = [at_client(frames)[:43], in_order(farther(frames))]
    found = analysed(tmp_path, *places)
    assert moved(found) == [(20_000, 20_000, 1)]
    assert found.notes == (
        "1 subflow captured at another place with payload that the one which counts has not: 20000 bytes there are not "
        "counted",
    )
    assert analysed(tmp_path, *places[:1]).notes == ()


def test_two_taps_that_share_the_packets_of_a_connection_are_not_put_one_after_the_other(tmp_path: Path) -> None:
    frames = download()
    found = analysed(tmp_path, frames[::2], frames[1::2])
    assert moved(found) == [(40_000, 40_000, 1)]
    assert found.tables["points"].to_pylist()[0]["duration_s"] == pytest.approx(0.109, abs=1e-6)
    assert found.notes == ()


def test_a_clock_that_is_set_back_is_seen_where_the_first_file_has_none_of_the_last_one_s_connections(
    tmp_path: Path,
) -> None:
    frames = in_order([*download(), *download(start=given.T + 60 * MS, port=4002)])
    cuts = [0, 20, 100, 150, len(frames)]
    stepped = set_back(frames, 3600 * S, 100)
    found = analysed(tmp_path, *[stepped[one:other] for one, other in itertools.pairwise(cuts)])
    assert moved(found) == [(40_000, 40_000, 1)] * 2
    assert "f0.pcap, f1.pcap, f2.pcap, f3.pcap: one capture, one after the other" in found.notes
