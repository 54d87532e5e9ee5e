"""When a join is confirmed: not by its SYN+ACK, after which the server may still refuse it, but by what comes then."""

from __future__ import annotations

from pathlib import Path

import download_maker as given
import packet_maker as make
import pytest
from download_maker import MS, T, analysed, rows, some

ASKED = T + 200 * MS
THIRD = make.to_server(
    4001, 80, make.ACK, dst=make.UNIQUE, seq=501, ack=701, options=bytes([30, 24, 0x10, 1]) + bytes(20)
)
FOURTH = make.to_client(80, 4001, make.ACK, src=make.UNIQUE, seq=701, ack=501)
DATA = make.to_client(80, 4001, make.ACK, src=make.UNIQUE, seq=701, ack=501, payload=1000)
RST = make.to_client(80, 4001, make.RST, src=make.UNIQUE, seq=701)
RST_ACK = make.to_client(80, 4001, make.RST | make.ACK, src=make.UNIQUE, seq=701, ack=501)


@pytest.mark.parametrize(
    ("after", "confirmed_s"),
    [
        ((), None),
        ((THIRD,), None),
        ((THIRD, FOURTH), 0.220),
        ((THIRD, DATA), 0.220),
        ((THIRD, RST), None),
        ((THIRD, RST_ACK), None),
        ((FOURTH, THIRD), None),
        ((THIRD, THIRD, FOURTH, DATA), 0.230),
    ],
)
def test_a_join_is_confirmed_by_the_first_packet_after_the_third_ack(
    tmp_path: Path, after: tuple[bytes, ...], confirmed_s: float | None
) -> None:
    late = [(ASKED + at * MS, each) for at, each in zip((11, 20, 30, 40), after, strict=False)]
    frames = sorted([*given.download(), *given.join_by_client(at=ASKED), *late], key=lambda each: each[0])
    found = analysed(tmp_path, frames)
    (connection,) = rows(found, "connections")
    (join,) = (row for row in rows(found, "subflows") if row["kind"] == "join")
    assert some(connection, "join_confirmed_s") == some(join, "confirmed_s") == (pytest.approx(confirmed_s),)
    assert join["accepted"]
