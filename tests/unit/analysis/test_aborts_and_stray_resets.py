"""How connections end in captures without a balancer: fast close of either end, and what a closed socket answers."""

from __future__ import annotations

from pathlib import Path

import download_maker as given
import packet_maker as make
from download_maker import END, ISN, LAST_SEQ, MS, PORT, analysed, causes, rows, some

RST_ACK = make.RST | make.ACK


def fastclose(key: bytes) -> bytes:
    return bytes([30, 12, 0x70, 0]) + key


def from_client(flags: int, options: bytes = b"", *, ack: int = LAST_SEQ) -> bytes:
    return make.to_server(PORT, 80, flags, seq=ISN + 1, ack=ack, options=options)


def from_server(flags: int, options: bytes = b"") -> bytes:
    return make.to_client(80, PORT, flags, seq=LAST_SEQ, ack=ISN + 1 if flags & make.ACK else 0, options=options)


def ending(tmp_path: Path, *frames: bytes) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """The only connection and the RSTs of a download that ends with these packets."""
    found = analysed(tmp_path, [*given.download(), *((END + (n + 1) * 10 * MS, each) for n, each in enumerate(frames))])
    (row,) = rows(found, "connections")
    return row, list(causes(found))


def test_a_fast_close_on_an_ack_is_the_clients_abort_whoever_sends_the_reset(tmp_path: Path) -> None:
    row, resets = ending(tmp_path, from_client(make.ACK, fastclose(given.SERVER_KEY)), from_server(RST_ACK))
    assert some(row, "end", "survived", "why") == ("reset", False, "aborted by the client: fastclose")
    assert resets == [("to-client", "fastclose")]


def test_a_fast_close_by_the_server_on_an_ack_or_on_a_reset(tmp_path: Path) -> None:
    for number, frames in enumerate(
        (
            (from_server(make.ACK, fastclose(given.CLIENT_KEY)), from_client(RST_ACK)),
            (from_server(RST_ACK, fastclose(given.CLIENT_KEY)),),
        )
    ):
        (tmp_path / str(number)).mkdir()
        row, resets = ending(tmp_path / str(number), *frames)
        assert some(row, "end", "why") == ("reset", "aborted by the server: fastclose")
        assert [cause for _, cause in resets] == ["fastclose"]


def test_a_fast_close_on_a_reset_is_told_by_its_sender(tmp_path: Path) -> None:
    row, resets = ending(tmp_path, from_client(RST_ACK, fastclose(given.SERVER_KEY)))
    assert row["why"] == "aborted by the client: fastclose"
    assert resets == [("to-server", "fastclose")]


def test_a_fast_close_that_nobody_answered_ends_the_connection(tmp_path: Path) -> None:
    row, resets = ending(tmp_path, from_client(make.ACK, fastclose(given.SERVER_KEY)))
    assert some(row, "end", "survived", "why", "reset") == ("reset", False, "aborted by the client: fastclose", None)
    assert row["end_s"] == 0.119
    assert resets == []


def test_after_a_fast_close_a_closed_socket_answers_what_was_under_way(tmp_path: Path) -> None:
    _, resets = ending(
        tmp_path, from_client(RST_ACK, fastclose(given.SERVER_KEY)), make.to_server(PORT, 80, make.RST, seq=ISN + 1)
    )
    assert resets == [("to-server", "fastclose"), ("to-server", "closed-socket")]


def test_a_fast_close_resets_every_subflow(tmp_path: Path) -> None:
    joined = make.to_server(4001, 80, RST_ACK, dst=make.UNIQUE, seq=501, ack=701)
    frames = [*given.download(), *given.join_by_client(), (given.T + 300 * MS, joined),
              (given.T + 300 * MS, from_client(make.ACK, fastclose(given.SERVER_KEY)))]  # fmt: skip
    frames = sorted([*frames[:-2], frames[-1], frames[-2]], key=lambda each: each[0])
    found = analysed(tmp_path, [*frames, (given.T + 310 * MS, from_server(RST_ACK))])
    (row,) = rows(found, "connections")
    assert row["why"] == "aborted by the client: fastclose"
    assert causes(found) == [("to-server", "fastclose"), ("to-client", "fastclose")]


def test_a_server_that_reset_the_flow_itself_answers_late_data_from_a_closed_socket(tmp_path: Path) -> None:
    row, resets = ending(tmp_path, from_server(RST_ACK), *[from_server(make.RST)] * 3)
    assert row["why"] == "reset by the server: unread-data"
    assert resets == [("to-client", "unread-data"), *[("to-client", "closed-socket")] * 3]


def test_without_a_reset_of_its_own_the_server_never_had_the_socket(tmp_path: Path) -> None:
    row, resets = ending(tmp_path, from_server(make.RST), from_server(make.RST))
    assert row["why"] == "reset by the server: no-socket"
    assert resets == [("to-client", "no-socket")] * 2
