"""Captures that ran at the same time keep their times, though a connection goes on from one to the other."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from download_maker import MS, Frames, S, T, analysed, download, renumbered, rows, some

ORDERS = list(itertools.permutations(range(2)))


def slowly(frames: Frames) -> Frames:
    """The same, a hundred times as slowly."""
    return [(T + (t - T) * 100, frame) for t, frame in frames]


def beside(port: int) -> Frames:
    """Another download with its own numbers: else it would be the same one, its port translated."""
    return renumbered(download(start=T - 50 * MS, port=port, packets=60), client=port)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("overtaken", [0, 8 * MS, 80 * MS])
def test_two_links_of_which_one_takes_over_a_connection(tmp_path: Path, order: tuple[int, int], overtaken: int) -> None:
    whole = download()
    files = [
        slowly([*whole[:43], *beside(5000)]),
        slowly([*whole[43:], *beside(5001)]),
    ]
    files[1] = [(t - overtaken * (frame in [each for _, each in whole[43:]]), frame) for t, frame in files[1]]
    found = analysed(tmp_path, *[sorted(files[each]) for each in order])
    listed = {row["client_port"]: some(row, "syn_s", "bytes_to_client") for row in rows(found, "connections")}
    assert listed == {4000: (5.0, 40_000), 5000: (0.0, 60_000), 5001: (0.0, 60_000)}
    assert found.tables["points"].to_pylist()[0]["duration_s"] == pytest.approx(15.9 - overtaken / S)
    assert found.notes == ()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("after", [MS, 50 * MS, 2 * S])
def test_two_captures_of_connections_with_the_same_ports_at_one_time(
    tmp_path: Path, order: tuple[int, int], after: int
) -> None:
    other = renumbered(slowly(download()), client=677, server=100_000)
    files = [slowly(download()), [(t + after, frame) for t, frame in other]]
    found = analysed(tmp_path, *[files[each] for each in order])
    listed = [some(row, "syn_s", "bytes_to_client") for row in rows(found, "connections")]
    assert listed == [(0.0, 40_000), (after / S, 40_000)]
    assert all("moved" not in note for note in found.notes)
