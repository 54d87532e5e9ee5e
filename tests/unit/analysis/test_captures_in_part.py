"""Captures that have part of the truth: one direction, the middle of a connection, unknown keys or options."""

from __future__ import annotations

from pathlib import Path

import download_maker as given
import packet_maker as make
import pytest
from download_maker import END, ISN, LAST_SEQ, MS, PORT, Frames, analysed, download, rows, some

HMAC = bytes([30, 24, 0x10, 0]) + bytes(20)
CLIENT = bytes(map(int, make.CLIENT.split(".")))


def joined() -> Frames:
    """A download with a join whose handshake is whole."""
    third = make.to_server(4001, 80, make.ACK, dst=make.UNIQUE, seq=501, ack=701, options=HMAC)
    return [*download(), *given.join_by_client(), (given.T + 220 * MS, third)]


def one_way(frames: Frames, *, from_client: bool) -> Frames:
    return [(t, frame) for t, frame in frames if (frame[26:30] == CLIENT) == from_client]


def test_what_the_client_sent_alone_still_tells_of_the_handshakes(tmp_path: Path) -> None:
    found = analysed(tmp_path, one_way(joined(), from_client=True))
    (row,) = rows(found, "connections")
    assert some(row, "protocol", "end", "subflows", "token", "client_token", "mptcp_version") == (
        "mptcp", "open", 2, given.token(given.SERVER_KEY), given.token(given.CLIENT_KEY), None,
    )  # fmt: skip
    assert [row["end"] for row in rows(found, "subflows")] == ["open", "open"]
    assert found.notes == ("2 subflows captured in one direction only: nothing of what the server sent",)


def test_what_the_server_sent_alone_says_who_is_who(tmp_path: Path) -> None:
    found = analysed(tmp_path, one_way(joined(), from_client=False))
    assert found.names() == {"service": [make.VIP], "unique": [make.UNIQUE], "clients": [make.CLIENT]}
    first, second = rows(found, "connections")
    assert some(first, "protocol", "server_address", "bytes_to_client", "token") == (
        "mptcp", make.VIP, 40_000, given.token(given.SERVER_KEY),
    )  # fmt: skip
    assert second["protocol"] == "mptcp"
    assert found.notes == (
        "2 subflows captured in one direction only: nothing of what the client sent",
        "1 join to connections whose keys were not captured: each is shown as a connection",
    )


@pytest.mark.parametrize("answers_only", [False, True])
def test_joins_alone_say_who_is_who(tmp_path: Path, *, answers_only: bool) -> None:
    found = analysed(tmp_path, given.join_by_client()[answers_only:])
    assert found.names() == {"service": [make.UNIQUE], "unique": [], "clients": [make.CLIENT]}
    (row,) = rows(found, "connections")
    assert some(row, "protocol", "client_port", "server_address") == ("mptcp", 4001, make.UNIQUE)
    assert "1 join to connections whose keys were not captured: each is shown as a connection" in found.notes


@pytest.mark.parametrize("number_first", [0, 1])
@pytest.mark.parametrize("most", [1, 3, 100])
def test_a_place_that_the_answers_do_not_pass_has_the_same_connection(
    tmp_path: Path, number_first: int, most: int
) -> None:
    behind = [(t + MS // 10, frame[:22] + b"\x3f" + frame[23:]) for t, frame in one_way(download(), from_client=True)]
    places = [download(), behind[:most]]
    found = analysed(tmp_path, places[number_first], places[1 - number_first])
    (row,) = rows(found, "connections")
    assert some(row, "protocol", "end", "bytes_to_client", "subflows") == ("mptcp", "open", 40_000, 1)
    assert some(rows(found, "subflows")[0], "points_seen", "packets_to_server") == (2, 42)
    assert found.notes == ()


def test_a_reset_in_one_direction_is_no_refusal(tmp_path: Path) -> None:
    reset = make.to_server(PORT, 80, make.RST | make.ACK, seq=ISN + 1, ack=LAST_SEQ)
    found = analysed(tmp_path, one_way([*download(), (END + MS, reset)], from_client=True))
    (row,) = rows(found, "connections")
    assert some(row, "end", "why") == ("reset", "reset by client: unread-data")
    assert rows(found, "subflows")[0]["end"] == "reset"


def test_a_syn_that_nobody_answered_stays_unanswered(tmp_path: Path) -> None:
    syn = download()[0][1]
    found = analysed(tmp_path, [(given.T, syn), (given.T + given.S, syn)])
    (row,) = rows(found, "connections")
    assert some(row, "end", "why") == ("unanswered", "no SYN+ACK came")
    assert found.notes == ()


def test_the_middle_of_an_mptcp_connection_is_mptcp_and_said_to_be_open(tmp_path: Path) -> None:
    dss = bytes([30, 8, 0x20, 0x01]) + bytes(4)
    middle = [(END + n * MS, make.to_server(5000 + n, 80, make.ACK, seq=9, ack=9, options=dss)) for n in range(2)]
    found = analysed(tmp_path, [*download(), *middle])
    assert [row["protocol"] for row in rows(found, "connections")] == ["mptcp"] * 3
    assert (
        "2 subflows of MPTCP without its handshake: which belong to one connection is not known, each is shown as one"
        in found.notes
    )


def test_a_version_that_is_not_known_is_named(tmp_path: Path) -> None:
    found = analysed(tmp_path, [*download(2), *given.join_by_client(1)])
    assert found.notes == (
        "1 connection of MPTCP version 2, which is not known: joins are not told apart",
        "1 join to connections whose keys were not captured: each is shown as a connection",
    )


def test_options_of_an_unknown_form_are_counted(tmp_path: Path) -> None:
    strange = [(END + n * MS, make.to_server(PORT, 80, make.ACK, seq=ISN + 1, ack=LAST_SEQ, options=each))
               for n, each in enumerate([bytes([30, 4, 0xA0, 0])] * 2 + [bytes([30, 9, 0x30]) + bytes(6)])]  # fmt: skip
    assert analysed(tmp_path, [*download(), *strange]).notes == (
        "3 MPTCP options of unknown form passed over (subtype 10 of 4 bytes: 2; subtype 3 of 9 bytes: 1)",
    )


def test_traffic_of_others_is_counted(tmp_path: Path) -> None:
    others = [(END + n * MS, make.packet("10.9.9.1", "10.9.9.2", 5, 6, make.ACK, seq=n)) for n in range(3)]
    found = analysed(tmp_path, [*download(), *others])
    assert found.notes == ("1 TCP flow of others than the clients left out: 3 packets",)


@pytest.mark.parametrize("start", [(1 << 32) - 20_000, (1 << 32) - 1])
def test_sequence_numbers_that_go_round_count_every_byte_once(tmp_path: Path, start: int) -> None:
    def seq(number: int) -> int:
        return (start + number) % (1 << 32)

    frames = [
        download()[0],
        (given.T + MS, make.to_client(80, PORT, make.SYN | make.ACK, seq=start, ack=ISN + 1)),
        *[(given.T + (n + 2) * MS, make.to_client(80, PORT, make.ACK, seq=seq(1 + n * 1000), ack=101, payload=1000))
          for n in range(40)],
    ]  # fmt: skip
    (row,) = rows(analysed(tmp_path, frames), "connections")
    assert some(row, "bytes_to_client", "distinct_to_client", "retransmitted_to_client") == (40_000, 40_000, 0)


def test_a_port_that_is_used_again_is_another_connection(tmp_path: Path) -> None:
    again = [(t + given.S, frame) for t, frame in download()]
    other = [(t, frame if n else make.to_server(PORT, 80, make.SYN, seq=77, options=make.mp_capable()))
             for n, (t, frame) in enumerate(again)]  # fmt: skip
    found = analysed(tmp_path, [*download(), *other])
    assert [row["bytes_to_client"] for row in rows(found, "connections")] == [40_000, 40_000]
