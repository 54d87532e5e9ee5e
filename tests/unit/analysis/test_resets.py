"""RSTs: who sent them, what they hit and ended, why, and which change of routes was behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import observation_maker as seen
import packet_maker as make
import pytest
from observation_maker import MS, OUT_AT_1, S, T

KEY = b"AAAAAAAA"
TCPRST = bytes([30, 4, 0x80, 3])
FASTCLOSE = bytes([30, 12, 0x70, 0]) + KEY


def resets(*args: Any, **more: Any) -> list[dict[str, Any]]:
    return seen.rows(seen.observe(*args, **more), "resets")


def some(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_a_stray_packets_reset_ends_the_connection_and_is_blamed_on_the_removal(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001), *seen.body(40001, 0.5, 5001, 300), seen.stray_reset(40001, 1.5, 5301)]
    observed = seen.observe(tmp_path, frames, events=OUT_AT_1)
    (row,) = seen.rows(observed, "resets")
    assert some(row, "t_s", "direction", "cause", "churn", "churn_server", "churn_t_s", "churn_evidence") == (
        1.5, "to-client", "no-socket", "removed", "s1", 1.0, "timeline",
    )  # fmt: skip
    assert some(row, "seq_relative", "acceptable", "receiver_open", "ended_subflow", "ended_connection", "has_ack") == (
        0, "exact", True, True, True, False,
    )  # fmt: skip
    assert some(row, "sender", "sender_evidence", "candidates") == (None, "pool", "s2 s3")
    (connection,) = seen.rows(observed, "connections")
    assert some(connection, "end", "survived", "end_s", "reset", "churn_events") == ("reset", False, 1.5, 0, 1)
    assert connection["why"] == "reset by one of s2 s3: no-socket after s1 was removed at 1.0 s"


def test_a_reset_after_the_addition_is_counted_apart(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001, 2.0), *seen.body(40001, 2.5, 5001, 300), seen.stray_reset(40001, 3.1, 5301)]
    (row,) = resets(tmp_path, frames, events=OUT_AT_1)
    assert some(row, "cause", "churn", "churn_server", "churn_t_s") == ("no-socket", "added", "s1", 3.0)


def test_a_change_before_the_connection_is_not_to_blame(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001, 4.0), seen.stray_reset(40001, 4.5, 5001)]
    (row,) = resets(tmp_path, frames, events=OUT_AT_1)
    assert some(row, "cause", "churn", "churn_server") == ("no-socket", None, None)


@pytest.mark.parametrize(
    ("seq", "acceptable", "relative", "ended"),
    [
        (5301, "exact", 0, True),
        (5400, "in-window", 99, False),
        (5201, "outside", -100, False),
        (5801, "outside", 500, False),
    ],
)
def test_only_a_reset_at_the_next_number_is_accepted(
    tmp_path: Path, seq: int, acceptable: str, relative: int, ended: bool
) -> None:
    frames = [*seen.tcp(40001), *seen.body(40001, 0.5, 5001, 300), seen.stray_reset(40001, 1.2, seq)]
    (row,) = resets(tmp_path, frames)
    assert some(row, "acceptable", "seq_relative", "ended_subflow", "ended_connection") == (
        acceptable, relative, ended, ended,
    )  # fmt: skip


def scale(shift: int) -> bytes:
    return bytes([1, 3, 3, shift])


@pytest.mark.parametrize(
    ("offered", "answered", "distance", "acceptable"),
    [
        (make.MSS + scale(7), make.MSS + scale(7), 500 << 7, "outside"),
        (make.MSS + scale(7), make.MSS + scale(7), (500 << 7) - 1, "in-window"),
        (make.MSS + scale(7), make.MSS, 500, "outside"),  # one end alone cannot have it
        (make.MSS + scale(7), b"", 500, "outside"),
        (b"", make.MSS + scale(7), 500, "outside"),
        (make.MSS + scale(15), make.MSS + scale(15), (500 << 14) - 1, "in-window"),  # RFC 7323: 14 at most
        (make.MSS + scale(15), make.MSS + scale(15), 500 << 14, "outside"),
        (None, None, 499, "in-window"),  # a handshake that was not captured: at least so much
        (None, None, 500, "unknown"),
        (None, None, 500 << 14, "outside"),
    ],
)
def test_the_window_is_scaled_as_both_ends_have_agreed(
    tmp_path: Path, offered: bytes | None, answered: bytes | None, distance: int, acceptable: str
) -> None:
    syn, syn_ack, *more = seen.tcp(40001)
    begin = []
    if offered is not None and answered is not None:
        begin = [
            (syn[0], make.to_server(40001, 80, make.SYN, seq=1000, options=offered)),
            (syn_ack[0], make.to_client(80, 40001, make.SYN | make.ACK, seq=5000, ack=1001, options=answered)),
        ]
    frames = [*begin, *more, *seen.body(40001, 0.5, 5001, 300), seen.stray_reset(40001, 1.2, 5301 + distance)]
    (row,) = resets(tmp_path, frames)
    assert some(row, "acceptable", "seq_relative") == (acceptable, distance)


def test_the_window_in_a_syn_is_not_scaled(tmp_path: Path) -> None:
    options = make.MSS + scale(7)
    frames = [
        (T, make.to_server(40001, 80, make.SYN, seq=1000, options=options)),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=5000, ack=1001, options=options)),
        (T + 2 * MS, make.to_server(40001, 80, make.RST, seq=1001 + 500)),
    ]
    (row,) = resets(tmp_path, frames)
    assert some(row, "acceptable", "seq_relative") == ("outside", 500)


def test_data_that_is_not_acknowledged_yet_counts_for_what_is_expected(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001), *seen.body(40001, 0.5, 5001, 300, acked=False), seen.stray_reset(40001, 0.6, 5301)]
    (row,) = resets(tmp_path, frames)
    assert some(row, "acceptable", "seq_relative", "ended_connection") == ("exact", 0, True)


def test_what_a_dead_client_says_to_late_data_ends_nothing_and_shares_the_blame(tmp_path: Path) -> None:
    late = make.to_server(40001, 80, make.RST, seq=1101)
    frames = [
        *seen.tcp(40001), *seen.body(40001, 0.5, 5001, 300), seen.stray_reset(40001, 1.2, 5301),
        *seen.body(40001, 1.3, 5301, 50, acked=False), (T + 1301 * MS, late), seen.stray_reset(40001, 1.4, 5301),
    ]  # fmt: skip
    first, second, third = resets(tmp_path, frames, events=OUT_AT_1)
    assert first["ended_connection"]
    assert some(second, "direction", "cause", "churn", "ended_subflow", "ended_connection", "sender") == (
        "to-server", "closed-socket", "removed", False, False, "client",
    )  # fmt: skip
    assert second["receiver_open"] is None  # another server's end may live on
    assert some(third, "ended_connection", "receiver_open") == (False, False)


def test_a_refused_connection_and_a_refused_join(tmp_path: Path) -> None:
    syn = make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS)
    frames = [
        (T, syn),
        (T + MS, make.to_client(80, 40001, make.RST | make.ACK, ack=1001)),
        *make.handshake(T + S, 40002, key=KEY),
        make.join(T + 2 * S, 50001, KEY, completed=False)[0],
        (
            T + 2 * S + MS,
            make.to_client(80, 50001, make.RST | make.ACK, src=make.UNIQUE, dst=make.CLIENT_DIRECT, ack=6),
        ),
    ]
    observed = seen.observe(tmp_path, frames)
    first, second = seen.rows(observed, "resets")
    assert some(first, "cause", "acceptable", "ended_connection") == ("refused", "exact", True)
    assert some(second, "cause", "acceptable", "ended_subflow", "ended_connection") == (
        "join-refused",
        "exact",
        True,
        False,
    )
    assert [row["end"] for row in seen.rows(observed, "connections")] == ["refused", "open"]
    assert [row["end"] for row in seen.rows(observed, "subflows")] == ["refused", "open", "refused"]


def test_a_client_in_syn_sent_answers_an_earlier_connections_packet_and_waits_on(tmp_path: Path) -> None:
    syn, syn_ack, ack, request = seen.tcp(40001)
    frames = [
        syn, (T + MS // 2, make.to_client(80, 40001, make.ACK, seq=9, ack=77, payload=5)),
        (T + MS // 2 + 1, make.to_server(40001, 80, make.RST, seq=77)), syn_ack, ack, request,
    ]  # fmt: skip
    observed = seen.observe(tmp_path, frames)
    (row,) = seen.rows(observed, "resets")
    assert some(row, "cause", "ended_subflow", "ended_connection") == ("closed-socket", False, False)
    assert seen.rows(observed, "connections")[0]["end"] == "open"


def test_what_the_end_of_the_workload_causes_is_named_so_and_outside_of_it(tmp_path: Path) -> None:
    frames = [
        *seen.tcp(40001, 9.0),
        (T + 10 * S + MS, make.to_server(40001, 80, make.RST | make.ACK, seq=1101, ack=5001)),
    ]
    observed = seen.observe(tmp_path, frames)
    (row,) = seen.rows(observed, "resets")
    assert some(row, "cause", "in_workload") == ("workload-end", False)
    (connection,) = seen.rows(observed, "connections")
    assert some(connection, "end", "survived", "why") == ("open", True, "open when the workload ended")


def test_an_abort_with_unread_data_and_a_late_packet_after_the_close(tmp_path: Path) -> None:
    frames = [
        *seen.tcp(40001), (T + S, make.to_client(80, 40001, make.RST | make.ACK, seq=5001, ack=1101)),
        *seen.tcp(40002, 2.0), (T + 3 * S, make.to_client(80, 40002, make.FIN | make.ACK, seq=5001, ack=1101)),
        (T + 3 * S + MS, make.to_server(40002, 80, make.FIN | make.ACK, seq=1101, ack=5002)),
        (T + 3 * S + 2 * MS, make.to_client(80, 40002, make.RST, seq=5002)),
    ]  # fmt: skip
    observed = seen.observe(tmp_path, frames)
    assert [row["cause"] for row in seen.rows(observed, "resets")] == ["unread-data", "after-close"]
    assert [row["end"] for row in seen.rows(observed, "connections")] == ["reset", "closed"]


def mptcp(port: int = 40001, join_port: int = 50001) -> seen.Frames:
    joined = [
        (T + 20 * MS, make.to_server(join_port, 80, make.SYN, src=make.CLIENT_DIRECT, dst=seen.UNIQUE["s2"], seq=5,
                                     options=make.MSS + make.mp_join_syn(make.token_of(KEY)))),
        (T + 21 * MS, make.to_client(80, join_port, make.SYN | make.ACK, src=seen.UNIQUE["s2"], dst=make.CLIENT_DIRECT,
                                     seq=700, ack=6, options=make.MSS + make.mp_join_syn_ack())),
    ]  # fmt: skip
    return [*make.handshake(T, port, key=KEY), *joined]


def test_an_initial_subflow_that_the_server_closes_takes_no_connection_with_it(tmp_path: Path) -> None:
    closing = make.to_client(80, 40001, make.RST | make.ACK, seq=1, ack=1001, options=TCPRST)
    observed = seen.observe(tmp_path, [*mptcp(), (T + S, closing)])
    (row,) = seen.rows(observed, "resets")
    assert some(row, "cause", "mptcp_reason", "sender", "sender_evidence") == ("initial-closed", 3, "s2", "connection")
    assert some(row, "connection", "subflow", "path", "ended_subflow", "ended_connection") == (
        0,
        0,
        "director",
        True,
        False,
    )
    assert seen.rows(observed, "connections")[0]["survived"]


def test_the_reset_of_the_last_subflow_ends_the_connection(tmp_path: Path) -> None:
    first = make.to_client(80, 40001, make.RST, seq=1)
    last = make.to_client(80, 50001, make.RST, src=seen.UNIQUE["s2"], dst=make.CLIENT_DIRECT, seq=701)
    observed = seen.observe(tmp_path, [*mptcp(), (T + 2 * S, first), (T + 3 * S, last)], events=OUT_AT_1)
    stray, fatal = seen.rows(observed, "resets")
    assert some(stray, "cause", "churn", "moved_from", "ended_subflow", "ended_connection") == (
        "no-socket", "removed", "s2", True, False,
    )  # fmt: skip
    assert some(fatal, "sender", "sender_evidence", "path", "subflow", "ended_subflow") == (
        "s2",
        "address",
        "past",
        1,
        True,
    )
    assert fatal["ended_connection"]
    (connection,) = seen.rows(observed, "connections")
    assert some(connection, "protocol", "server", "server_evidence", "end", "survived", "reset") == (
        "mptcp", "s2", "connection", "reset", False, 1,
    )  # fmt: skip


def test_a_fastclose_is_named(tmp_path: Path) -> None:
    frames = [*mptcp(), (T + S, make.to_server(40001, 80, make.RST, seq=1001, options=FASTCLOSE))]
    (row,) = resets(tmp_path, frames)
    assert row["cause"] == "fastclose"
