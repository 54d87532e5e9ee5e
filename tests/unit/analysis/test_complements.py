"""Links that carry a flow between them all count; what a second place saw on the way counts once, in whatever sizes."""

from __future__ import annotations

from pathlib import Path

import packet_maker as make
import pytest
from download_maker import ANSWER, ISN, MS, PORT, Frames, analysed, download, rows, some


def counted(tmp_path: Path, *captures: Frames) -> list[tuple[int, int]]:
    found = analysed(tmp_path, *captures)
    return [some(row, "bytes_to_client", "distinct_to_client")[:2] for row in rows(found, "connections")]


def is_data(frame: bytes) -> bool:
    return len(frame) > 1000


@pytest.mark.parametrize("members", [2, 3, 5])
@pytest.mark.parametrize("first", [0, 1])
def test_the_members_of_a_bond_carry_one_download(tmp_path: Path, members: int, first: int) -> None:
    frames = download()
    opening, rest = frames[:3], frames[3:]
    shares = [rest[2 * at :: 2 * members] + rest[2 * at + 1 :: 2 * members] for at in range(members)]
    shares[first] = opening + shares[first]
    assert counted(tmp_path, *(sorted(share) for share in shares)) == [(40_000, 40_000)]


def test_members_of_a_bond_at_two_places_count_once(tmp_path: Path) -> None:
    frames = download()
    far = [(t + MS // 10, frame[:22] + b"\x3f" + frame[23:]) for t, frame in frames]
    halves = [frames[:3] + frames[3::4] + frames[4::4], frames[5::4] + frames[6::4]]
    assert counted(tmp_path, *(sorted(half) for half in halves), far) == [(40_000, 40_000)]


def test_what_was_sent_again_on_another_member_came_twice(tmp_path: Path) -> None:
    frames = download()
    again = next((t + MS, frame[:18] + b"\x77\x77" + frame[20:]) for t, frame in frames if is_data(frame))
    halves = [frames[:3] + frames[3::4] + frames[4::4], [again, *frames[5::4], *frames[6::4]]]
    assert counted(tmp_path, *(sorted(half) for half in halves)) == [(41_000, 40_000)]


def test_a_place_that_lost_half_of_a_download_is_not_a_member(tmp_path: Path) -> None:
    frames = download()
    lossy = [each for number, each in enumerate(frames) if not is_data(each[1]) or number % 4 == 3]
    ((came, distinct),) = counted(tmp_path, lossy, [(t + 1000, frame) for t, frame in frames])
    assert came == distinct


def test_larger_packets_of_the_same_bytes_elsewhere_count_once(tmp_path: Path) -> None:
    frames = download()
    data = [t for t, frame in frames if is_data(frame)]
    joined = [
        (t, make.to_client(80, PORT, make.ACK, seq=ANSWER + 1 + 4000 * number, ack=ISN + 1, payload=4000))
        for number, t in enumerate(data[3::4])
    ]
    merged = sorted([each for each in frames if not is_data(each[1])] + joined)
    assert counted(tmp_path, frames, merged) == [(40_000, 40_000)]
