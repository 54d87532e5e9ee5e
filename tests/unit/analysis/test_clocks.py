"""Captures whose clock was set, stood still or was nonsense: the right result, a line that says so, little memory."""

from __future__ import annotations

from pathlib import Path

import capture_encoder as pack
import packet_maker as make
import pytest
from download_maker import Frames, S, T, analysed, download, rows, some

from analysis.pcap import read_pcap
from analysis.summary.of_captures import CapturesAnalysis, analyse_captures

DAY, YEAR = 86_400 * S, 31_556_952 * S


def moved(found: CapturesAnalysis) -> tuple[int, ...]:
    (row,) = rows(found, "connections")
    return some(row, "bytes_to_client", "distinct_to_client", "retransmitted_to_client")


def later(frames: Frames, by_ns: int, first: int) -> Frames:
    """The same with a clock that is set before packet `first`."""
    return [(t + (by_ns if number >= first else 0), frame) for number, (t, frame) in enumerate(frames)]


def test_a_syn_that_is_stored_behind_its_answer_opens_the_connection(tmp_path: Path) -> None:
    frames = download()
    found = analysed(tmp_path, [frames[1], frames[0], *frames[2:]])
    (row,) = rows(found, "connections")
    assert some(row, "protocol", "end", "bytes_to_client", "syn_s") == ("mptcp", "open", 40_000, 0.0)
    assert found.notes == ("f0.pcap: 1 packets are stored after later ones: sorted by time",)


def test_a_capture_in_order_is_not_touched(tmp_path: Path) -> None:
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", download()))
    assert packets.by_time() is packets
    assert analysed(tmp_path, download()).notes == ()


def test_a_clock_that_starts_in_1970_costs_a_line_and_no_memory(tmp_path: Path) -> None:
    frames = [(t - (T if number < 2 else 0), frame) for number, (t, frame) in enumerate(download())]
    found = analysed(tmp_path, frames)
    assert moved(found) == (40_000, 40_000, 0)
    assert found.notes == (
        "f0.pcap: no packet for 53.9 years after frame 2 (1970-01-01 00:00:00 to 2023-11-14 22:13:20): "
        "the clock was set, or nothing came",
    )
    assert [some(row, "second", "packets") for row in rows(found, "seconds")] == [
        (0, 1), (1_700_000_000, 40), (0, 1), (1_700_000_000, 41),
    ]  # fmt: skip
    assert sum(row["payload_bytes"] for row in rows(found, "seconds")) == 40_000


@pytest.mark.parametrize(("gap", "words"), [(30 * DAY, "30.0 days"), (10 * YEAR, "10.0 years"), (DAY, "1.0 days")])
def test_an_honest_gap_is_a_line_too(tmp_path: Path, gap: int, words: str) -> None:
    found = analysed(tmp_path, later(download(), gap, 43))
    assert moved(found) == (40_000, 40_000, 0)
    assert len(found.notes) == 1
    assert f"no packet for {words} after frame 43 (" in found.notes[0]
    assert len(rows(found, "seconds")) == 4


def test_an_hour_of_silence_is_none(tmp_path: Path) -> None:
    found = analysed(tmp_path, later(download(), 3600 * S, 43))
    assert found.notes == ()


@pytest.mark.parametrize("back", [S // 5, 2 * S, 3600 * S, 53 * YEAR])
def test_a_clock_that_is_set_back_while_a_connection_goes_on_is_read_on(tmp_path: Path, back: int) -> None:
    found = analysed(tmp_path, later(download(), -back, 43))
    assert moved(found) == (40_000, 40_000, 0)
    (note,) = found.notes
    assert note.startswith("f0.pcap: the clock was set back by ")
    assert "before frame 44 (2023-11-14 22:13:20 to " in note
    assert found.tables["points"].to_pylist()[0]["duration_s"] == pytest.approx(0.108, abs=2e-3)


def test_files_that_were_put_together_in_the_wrong_order_are_sorted(tmp_path: Path) -> None:
    frames = [(T + (t - T) * 100, frame) for t, frame in download()]
    found = analysed(tmp_path, [*frames[43:], *frames[:43]])
    assert moved(found) == (40_000, 40_000, 0)
    assert found.notes == ("f0.pcap: 43 packets are stored after later ones: sorted by time",)


def test_packets_that_come_interface_by_interface_are_no_clock_that_was_set(tmp_path: Path) -> None:
    frames = [(T + (t - T) * 10, frame) for t, frame in download()]
    behind = [(t + 1000, frame[:22] + bytes([frame[22] - 1]) + frame[23:]) for t, frame in frames]
    blocks = [pack.section("<"), *[pack.interface("<", resolution=9)] * 2]
    for at in range(0, len(frames), 30):
        for number, seen in enumerate((frames, behind)):
            blocks += [pack.enhanced("<", number, *each) for each in seen[at : at + 30]]
    path = tmp_path / "router.pcapng"
    path.write_bytes(b"".join(blocks))
    found = analyse_captures([path])
    assert moved(found) == (40_000, 40_000, 0)
    (note,) = found.notes
    assert note.endswith("packets are stored after later ones: sorted by time")


def test_a_clock_that_means_nothing_leaves_the_order_of_the_file(tmp_path: Path) -> None:
    found = analysed(tmp_path, [((number * 2_654_435_761) % (1 << 32) * S, frame)
                                for number, (_, frame) in enumerate(download())])  # fmt: skip
    assert moved(found) == (40_000, 40_000, 0)
    assert any("its packets stay in the order of the file" in note for note in found.notes)


@pytest.mark.parametrize("time", [0, (1 << 32) * S - S])
def test_a_clock_that_stands_still(tmp_path: Path, time: int) -> None:
    found = analysed(tmp_path, [(time, frame) for _, frame in download()])
    assert moved(found) == (40_000, 40_000, 0)
    assert found.notes == ()


def test_packets_without_a_time_have_that_of_the_one_before(tmp_path: Path) -> None:
    frames = download()
    content = pack.section() + pack.interface()
    for number, (t, frame) in enumerate(frames):
        content += pack.simple("<", frame) if number in (50, 51, 60) else pack.enhanced("<", 0, t // 1000, frame)
    path = tmp_path / "a.pcapng"
    path.write_bytes(content)
    found = analyse_captures([path])
    assert moved(found) == (40_000, 40_000, 0)
    assert found.notes == ("a.pcapng: 3 packets have no time: they have that of the packet before",)


@pytest.mark.parametrize("resolution", [None, 0, 3, 9, 0x80, 0x80 | 20])
def test_times_of_64_bits_that_cannot_be_are_counted(tmp_path: Path, resolution: int | None) -> None:
    content = pack.section() + pack.interface(resolution=resolution)
    for number, (_, frame) in enumerate(download()):
        content += pack.enhanced("<", 0, (1 << 64) - 1 if number == 40 else number, frame)
    path = tmp_path / "a.pcapng"
    path.write_bytes(content)
    found = analyse_captures([path])
    assert moved(found) == (40_000, 40_000, 0)
    assert "1 packets have a time that cannot be" in found.warnings[0]
    assert len(rows(found, "seconds")) <= len(download())
