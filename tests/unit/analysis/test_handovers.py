"""A flow that goes on at another interface is one flow: a bond fails over, a route changes, a section ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import capture_encoder as pack
import packet_maker as make
import pytest
from download_maker import END, ISN, LAST_SEQ, MS, PORT, Frames, S, T, analysed, download, renumbered, rows, some

from analysis.summary.of_captures import CapturesAnalysis, analyse_captures

CLIENT = bytes(map(int, make.CLIENT.split(".")))


def closed() -> Frames:
    """A download of 40 kB, and its FINs."""
    fins = [
        make.to_client(80, PORT, make.FIN | make.ACK, seq=LAST_SEQ, ack=ISN + 1),
        make.to_server(PORT, 80, make.FIN | make.ACK, seq=ISN + 1, ack=LAST_SEQ + 1),
        make.to_client(80, PORT, make.ACK, seq=LAST_SEQ + 1, ack=ISN + 2),
    ]
    return [*download(), *((END + (n + 1) * MS, frame) for n, frame in enumerate(fins))]


def by_interface(path: Path, frames: list[tuple[int, int, bytes]], *names: str) -> CapturesAnalysis:
    """The analysis of a pcapng of frames with the number of the interface of each."""
    start = pack.section() + b"".join(pack.interface(name=name, resolution=9) for name in names)
    path.write_bytes(start + b"".join(pack.enhanced("<", *each) for each in frames))
    return analyse_captures([path])


def outcome(found: CapturesAnalysis) -> tuple[Any, ...]:
    (row,) = rows(found, "connections")
    return some(row, "bytes_to_client", "distinct_to_client", "retransmitted_to_client", "end")


WHOLE = (40_000, 40_000, 0, "closed")


@pytest.mark.parametrize("names", [("eth0", "eth1"), ("", "")])
@pytest.mark.parametrize("first", [1, 2, 3, 20, 43, 80, 82, 83, 85])
@pytest.mark.parametrize("slower", [1, 100])
def test_a_flow_that_goes_on_at_another_interface_counts_whole(
    tmp_path: Path, names: tuple[str, str], first: int, slower: int
) -> None:
    frames = [(int(number >= first), T + slower * (t - T), frame) for number, (t, frame) in enumerate(closed())]
    found = by_interface(tmp_path / "bond.pcapng", frames, *names)
    assert outcome(found) == WHOLE
    assert [row["packets_to_server"] for row in rows(found, "subflows")] == [43]
    assert all("not counted" not in note for note in found.notes)


@pytest.mark.parametrize("is_moved", [True, False])
def test_one_direction_alone_may_go_on_at_another_interface(tmp_path: Path, is_moved: bool) -> None:
    frames = [(int(number >= 43 and (frame[26:30] == CLIENT) == is_moved), t, frame)
              for number, (t, frame) in enumerate(closed())]  # fmt: skip
    found = by_interface(tmp_path / "bond.pcapng", frames, "eth0", "eth1")
    assert outcome(found) == WHOLE
    assert [row["packets_to_server"] for row in rows(found, "subflows")] == [43]


def test_a_flow_that_comes_back_to_its_first_interface_counts_whole(tmp_path: Path) -> None:
    frames = [(int(30 <= number < 33), t, frame) for number, (t, frame) in enumerate(closed())]
    assert outcome(by_interface(tmp_path / "bond.pcapng", frames, "eth0", "eth1")) == WHOLE


def test_sections_of_two_link_types_are_one_flow(tmp_path: Path) -> None:
    frames = closed()
    content = pack.section() + pack.interface(resolution=9)
    content += b"".join(pack.enhanced("<", 0, *each) for each in frames[:40])
    content += pack.section() + pack.interface(resolution=9, link_type=101)
    content += b"".join(pack.enhanced("<", 0, t, frame[14:]) for t, frame in frames[40:])
    (tmp_path / "two.pcapng").write_bytes(content)
    assert outcome(analyse_captures([tmp_path / "two.pcapng"])) == WHOLE


def test_of_two_uses_of_a_port_the_later_one_goes_on(tmp_path: Path) -> None:
    later = [(t + 10 * S, frame) for t, frame in renumbered(closed(), client=1_000_000, server=1_000_000)]
    frames = [(0, t, frame) for t, frame in closed()]
    frames += [(int(number >= 43), t, frame) for number, (t, frame) in enumerate(later)]
    found = by_interface(tmp_path / "bond.pcapng", frames, "eth0", "eth1")
    assert [row["bytes_to_client"] for row in rows(found, "connections")] == [40_000, 40_000]
    assert found.notes == ()


@pytest.mark.parametrize("extra", [1, 2, 5])
def test_what_a_farther_place_alone_has_is_said_however_short_it_is(tmp_path: Path, extra: int) -> None:
    behind = [(END + n * MS, make.to_client(80, PORT, make.ACK, seq=LAST_SEQ + n * 1000, ack=ISN + 1, payload=1000))
              for n in range(extra)]  # fmt: skip
    far = [(t + MS // 10, frame[:22] + b"\x3f" + frame[23:]) for t, frame in [*download(), *behind]]
    found = analysed(tmp_path, download(), far)
    assert outcome(found) == (40_000, 40_000, 0, "open")
    assert found.notes == (
        f"1 subflow captured at another place with payload that the one which counts has not: {extra * 1000} bytes "
        "there are not counted",
    )
