"""A RST on the initial subflow while a join is under way: whether the connection outlives it, the join tells."""

from __future__ import annotations

from pathlib import Path

import download_maker as given
import packet_maker as make
from download_maker import END, LAST_SEQ, MS, PORT, Frames, analysed, rows, some

RST_AT = END + 10 * MS
# A server that has never heard of the connection: the route has moved.
STRAY = make.to_client(80, PORT, make.RST, seq=LAST_SEQ)
THIRD = make.to_server(
    4001, 80, make.ACK, dst=make.UNIQUE, seq=501, ack=701, options=bytes([30, 24, 0x10, 1]) + bytes(20)
)


def data(at: int) -> tuple[int, bytes]:
    return at, make.to_client(80, 4001, make.ACK, src=make.UNIQUE, seq=701, ack=501, payload=1000)


def ending(tmp_path: Path, join: Frames, *more: tuple[int, bytes]) -> tuple[dict[str, object], list[bool]]:
    """The only connection, and whether each RST ended it, with a RST 10 ms after the download's last packet."""
    frames = sorted([*given.download(), (RST_AT, STRAY), *join, *more], key=lambda each: each[0])
    found = analysed(tmp_path, frames)
    (row,) = rows(found, "connections")
    return row, [bool(each["ended_connection"]) for each in rows(found, "resets")]


def test_a_join_that_was_under_way_and_came_about_keeps_the_connection(tmp_path: Path) -> None:
    join = given.join_by_client(at=RST_AT - 5 * MS)  # its SYN+ACK comes 5 ms after the RST
    row, ended = ending(tmp_path, join, (RST_AT + 6 * MS, THIRD), data(RST_AT + 20 * MS))
    assert some(row, "end", "survived", "reset") == ("open", True, None)
    assert ended == [False]


def test_so_does_one_that_was_asked_for_only_then(tmp_path: Path) -> None:
    join = given.join_by_client(at=RST_AT + 5 * MS)
    row, ended = ending(tmp_path, join, (RST_AT + 16 * MS, THIRD), data(RST_AT + 20 * MS))
    assert some(row, "end", "survived") == ("open", True)
    assert ended == [False]


def test_a_join_that_never_came_about_does_not(tmp_path: Path) -> None:
    (asked, answered) = given.join_by_client(at=RST_AT - 5 * MS)
    refused = make.to_server(4001, 80, make.RST, dst=make.UNIQUE, seq=501)
    for number, join in enumerate(([asked], [asked, answered], [asked, answered, (RST_AT + 6 * MS, refused)])):
        (tmp_path / str(number)).mkdir()
        row, ended = ending(tmp_path / str(number), join)
        assert some(row, "end", "survived", "reset") == ("reset", False, 0)
        assert ended[0]


def test_when_the_join_is_reset_in_its_turn_that_is_the_end(tmp_path: Path) -> None:
    join = given.join_by_client(at=RST_AT - 5 * MS)
    late = make.to_client(80, 4001, make.RST, src=make.UNIQUE, seq=1701)
    row, ended = ending(
        tmp_path, join, (RST_AT + 6 * MS, THIRD), data(RST_AT + 20 * MS),
        (RST_AT + 21 * MS, make.to_server(4001, 80, make.ACK, dst=make.UNIQUE, seq=501, ack=1701)),
        (RST_AT + 30 * MS, late),
    )  # fmt: skip
    assert some(row, "end", "survived", "reset") == ("reset", False, 1)
    assert ended == [False, True]
