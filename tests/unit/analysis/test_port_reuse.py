"""A port that is used again with the same initial sequence number: another connection, or its SYN sent again."""

from __future__ import annotations

from pathlib import Path

import packet_maker as make
import pytest
from download_maker import (
    ANSWER,
    CLIENT_KEY,
    END,
    ISN,
    LAST_SEQ,
    MS,
    PORT,
    Frames,
    S,
    T,
    analysed,
    download,
    renumbered,
    rows,
)

from analysis.flows.conversations import find_conversations
from analysis.pcap import read_pcap

OTHER_KEY = b"another!"
FINS = [
    make.to_client(80, PORT, make.FIN | make.ACK, seq=LAST_SEQ, ack=ISN + 1),
    make.to_server(PORT, 80, make.FIN | make.ACK, seq=ISN + 1, ack=LAST_SEQ + 1),
    make.to_client(80, PORT, make.ACK, seq=LAST_SEQ + 1, ack=ISN + 2),
]
RESET = [make.to_client(80, PORT, make.RST | make.ACK, seq=LAST_SEQ, ack=ISN + 1)]
SYN = make.to_server(PORT, 80, make.SYN, seq=ISN, options=make.mp_capable())


def answer(key: bytes, seq: int = ANSWER) -> bytes:
    options = make.mp_capable(key)
    return make.to_client(80, PORT, make.SYN | make.ACK, seq=seq, ack=ISN + 1, options=options)


def used(ends: list[bytes], key: bytes = b"", start: int = T, packets: int = 40) -> Frames:
    """A download and how it ends; of MPTCP if the server has a key."""
    (t, syn), (later, _), third, *data = download(start=start, packets=packets)
    if key:
        options = make.mp_capable(CLIENT_KEY + key)
        third = (third[0], make.to_server(PORT, 80, make.ACK, seq=ISN + 1, ack=ANSWER + 1, options=options))
    else:
        syn = make.to_server(PORT, 80, make.SYN, seq=ISN)
    plain = make.to_client(80, PORT, make.SYN | make.ACK, seq=ANSWER, ack=ISN + 1)
    frames = [(t, syn), (later, answer(key) if key else plain), third, *data]
    return [*frames, *((END - T + start + (n + 1) * MS, frame) for n, frame in enumerate(ends))]


def counted(tmp_path: Path, *captures: Frames) -> list[tuple[int, int]]:
    """The bytes of each connection, and at how many places it was."""
    found = analysed(tmp_path, *captures)
    seen = [row["points_seen"] for row in rows(found, "subflows")]
    return list(zip((row["bytes_to_client"] for row in rows(found, "connections")), seen, strict=True))


@pytest.mark.parametrize("keys", [(b"", b""), (b"A" * 8, OTHER_KEY), (b"A" * 8, b"A" * 8)])
@pytest.mark.parametrize("ends", [FINS, RESET])
@pytest.mark.parametrize("after", [S // 2, 100 * S])
def test_a_connection_behind_the_end_of_another_is_another(
    tmp_path: Path, keys: tuple[bytes, bytes], ends: list[bytes], after: int
) -> None:
    frames = used(ends, keys[0]) + used(ends, keys[1], T + after, packets=20)
    assert counted(tmp_path, frames) == [(40_000, 1), (20_000, 1)]


def test_another_key_is_another_connection_though_no_end_was_captured(tmp_path: Path) -> None:
    assert counted(tmp_path, used([], b"A" * 8) + used([], OTHER_KEY, T + 9 * S)) == [(40_000, 1)] * 2


@pytest.mark.parametrize(
    "before",
    [
        [SYN],
        [SYN, answer(b"A" * 8), SYN, answer(OTHER_KEY, 777)],  # sent again to another server
        [SYN, make.to_client(80, PORT, make.ACK, seq=1, ack=2), make.to_server(PORT, 80, make.RST, seq=2)],
        [SYN, make.to_client(80, PORT, make.RST | make.ACK, ack=ISN + 1)],  # some send it again nevertheless
    ],
)
def test_a_syn_that_is_sent_again_opens_nothing(tmp_path: Path, before: list[bytes]) -> None:
    earlier = [(T - S + n * 100 * MS, frame) for n, frame in enumerate(before)]
    assert counted(tmp_path, [*earlier, *used(FINS, b"B" * 8)]) == [(40_000, 1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (make.mp_capable(b"A" * 8, version=0), make.mp_capable(OTHER_KEY, version=0)),
        (make.mp_join_syn(1), make.mp_join_syn(2)),
    ],
)
def test_a_syn_that_asks_for_something_else_opens_another(tmp_path: Path, one: bytes, other: bytes) -> None:
    syns = [make.to_server(PORT, 80, make.SYN, seq=ISN, options=each) for each in (one, one, other, other)]
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T + n * S, syn) for n, syn in enumerate(syns)]))
    assert find_conversations(packets).flow.tolist() == [0, 0, 1, 1]


def test_a_syn_that_was_long_on_the_way_opens_nothing(tmp_path: Path) -> None:
    frames = used(FINS, b"A" * 8)
    again = (frames[29][0] + 1, SYN[:18] + b"\1\1" + SYN[20:])  # in an IP packet of its own
    assert counted(tmp_path, [*frames[:30], again, *frames[30:]]) == [(40_000, 1)]


def farther(frames: Frames) -> Frames:
    return [(t + 100_000, frame[:22] + b"\x3f" + frame[23:]) for t, frame in frames]


@pytest.mark.parametrize("key", [b"", b"A" * 8])
@pytest.mark.parametrize("ends", [FINS, RESET])
def test_each_use_is_one_connection_at_two_places(tmp_path: Path, key: bytes, ends: list[bytes]) -> None:
    both = used(ends, key) + used(ends, key, T + 30 * S, packets=20)
    assert counted(tmp_path, both, farther(both)) == [(40_000, 2), (20_000, 2)]


@pytest.mark.parametrize("key", [b"", b"A" * 8])
def test_a_place_that_saw_the_later_use_alone_saw_that(tmp_path: Path, key: bytes) -> None:
    one, other = used(FINS, key), renumbered(used(FINS, key, T + 30 * S, packets=20), server=1_000_000)
    assert counted(tmp_path, one + other, farther(other)) == [(40_000, 1), (20_000, 2)]
