"""Captures of connections with the same ports and numbers at the same time that cannot be one: each of them counts."""

from __future__ import annotations

from pathlib import Path

import packet_maker as make
import pytest
from download_maker import ANSWER, ISN, MS, PORT, Frames, analysed, download, rows


def run(packets: int, *, fin: bool = True, start: int = 0) -> Frames:
    """A download of so many kB of a run that has the same numbers each time, and the server's FIN."""
    frames = download(packets=packets)
    if fin:
        last = make.to_client(80, PORT, make.FIN | make.ACK, seq=ANSWER + 1 + packets * 1000, ack=ISN + 1)
        frames.append((frames[-1][0] + MS, last))
    return frames[start:]


def farther(frames: Frames) -> Frames:
    return [(t + MS // 10, frame[:22] + b"\x3f" + frame[23:]) for t, frame in frames]


def uploaded(packets: int) -> Frames:
    """The same the other way: what the client sends, and its FIN."""
    frames = run(0, fin=False)
    t, seq = frames[-1][0] + MS, ISN + 1
    data = [(t + n * MS, make.to_server(PORT, 80, make.ACK, seq=seq + n * 1000, ack=ANSWER + 1, payload=1000))
            for n in range(packets)]  # fmt: skip
    fin = make.to_server(PORT, 80, make.FIN | make.ACK, seq=seq + packets * 1000, ack=ANSWER + 1)
    return [*frames, *data, (t + packets * MS, fin)]


def counted(tmp_path: Path, *captures: Frames, column: str = "bytes_to_client") -> list[tuple[int, int]]:
    """The bytes of each connection, and at how many places it was; nothing else may be said."""
    found = analysed(tmp_path, *captures)
    assert found.notes == ()
    seen = [row["points_seen"] for row in rows(found, "subflows")]
    return sorted(zip((row[column] for row in rows(found, "connections")), seen, strict=True))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("open_end", [False, True])
def test_two_runs_of_one_seed_count_both(tmp_path: Path, order: tuple[int, int], open_end: bool) -> None:
    captures = [run(10), run(40, fin=not open_end)]
    assert counted(tmp_path, *[captures[each] for each in order]) == [(10_000, 1), (40_000, 1)]


def test_two_uploads_count_both(tmp_path: Path) -> None:
    assert counted(tmp_path, uploaded(10), uploaded(40), column="bytes_to_server") == [(10_000, 1), (40_000, 1)]


def test_each_run_may_have_been_captured_at_two_places(tmp_path: Path) -> None:
    captures = [run(10), farther(run(10)), run(40), farther(run(40, fin=False)), run(25)]
    assert counted(tmp_path, *captures) == [(10_000, 2), (25_000, 1), (40_000, 2)]


@pytest.mark.parametrize("start", [0, 30])
def test_a_place_that_missed_the_end_contradicts_nothing(tmp_path: Path, start: int) -> None:
    assert counted(tmp_path, run(40), farther(run(20, fin=False, start=start))) == [(40_000, 2)]
