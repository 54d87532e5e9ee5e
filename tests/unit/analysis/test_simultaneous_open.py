"""Two SYNs that cross open one connection (RFC 9293 section 3.5, figure 8), whichever a place saw first."""

from __future__ import annotations

from pathlib import Path

import packet_maker as make
import pytest
from download_maker import ANSWER, ISN, MS, PORT, Frames, S, T, analysed, download, rows, some

from analysis.summary.of_captures import CapturesAnalysis

SYNS = [make.to_server(PORT, 80, make.SYN, seq=ISN), make.to_client(80, PORT, make.SYN, seq=ANSWER)]
ANSWERS = [
    make.to_server(PORT, 80, make.SYN | make.ACK, seq=ISN, ack=ANSWER + 1),
    make.to_client(80, PORT, make.SYN | make.ACK, seq=ANSWER, ack=ISN + 1),
]


def again(frame: bytes) -> bytes:
    """The same segment in another IP packet."""
    return frame[:18] + b"\1\1" + frame[20:]


def opened(*handshake: bytes) -> Frames:
    """A download behind these packets, a millisecond each."""
    return [*((T + n * MS, frame) for n, frame in enumerate(handshake)), *download()[3:]]


def expect_one(found: CapturesAnalysis, places: int = 1) -> None:
    assert found.names() == {"service": [make.VIP], "unique": [], "clients": [make.CLIENT]}
    (row,) = rows(found, "connections")
    assert some(row, "protocol", "end", "client_port", "bytes_to_client", "distinct_to_client") == (
        "tcp", "open", PORT, 40_000, 40_000,
    )  # fmt: skip
    assert rows(found, "subflows")[0]["points_seen"] == places


@pytest.mark.parametrize(
    "handshake",
    [
        [*SYNS, *ANSWERS],
        [*SYNS[::-1], *ANSWERS[::-1]],
        [*SYNS, *map(again, SYNS), *ANSWERS, *map(again, ANSWERS)],
        [*SYNS, ANSWERS[0]],
        [*SYNS[::-1], ANSWERS[1]],
        SYNS,
    ],
)
def test_two_syns_that_cross_open_one_connection(tmp_path: Path, handshake: list[bytes]) -> None:
    expect_one(analysed(tmp_path, opened(*handshake)))


def test_each_end_sees_its_own_syn_first(tmp_path: Path) -> None:
    at_server = [(t, frame[:22] + b"\x3f" + frame[23:]) for t, frame in opened(*SYNS[::-1], *ANSWERS[::-1])]
    expect_one(analysed(tmp_path, opened(*SYNS, *ANSWERS), at_server), places=2)


def test_the_other_end_may_use_the_same_ports_later(tmp_path: Path) -> None:
    later = [
        (T + S, make.to_client(80, PORT, make.SYN, seq=ANSWER + 10**6)),
        (T + S + MS, make.to_server(PORT, 80, make.SYN | make.ACK, seq=ISN + 10**6, ack=ANSWER + 10**6 + 1)),
    ]
    assert len(rows(analysed(tmp_path, [*download(), *later]), "connections")) == 2
