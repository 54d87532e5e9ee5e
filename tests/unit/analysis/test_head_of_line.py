"""What bytes wait for, and what is sent again and why: exact values from packets made by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import observation_maker as seen
import packet_maker as make
import pytest
from observation_maker import MS, T
from test_tabulation import CLIENT_KEY, KEY, dss, to_client_past, to_server_past

from analysis.pcap import read_pcap

PORT = 40001


def mptcp(*frames: tuple[int, bytes]) -> seen.Frames:
    """A connection with a join, without data: the client expects 5001 on the first subflow and 701 on the join."""
    both = make.mp_capable(CLIENT_KEY + KEY)
    return [
        (T, make.to_server(PORT, 80, make.SYN, seq=1000, options=make.MSS + make.mp_capable())),
        (T + MS, make.to_client(80, PORT, make.SYN | make.ACK, seq=5000, ack=1001,
                                options=make.MSS + make.mp_capable(KEY))),
        (T + 2 * MS, make.to_server(PORT, 80, make.ACK, seq=1001, ack=5001, options=both)),
        to_server_past(T + 3 * MS, make.SYN, seq=5, options=make.MSS + make.mp_join_syn(make.token_of(KEY))),
        to_client_past(T + 4 * MS, make.SYN | make.ACK, seq=700, ack=6, options=make.MSS + make.mp_join_syn_ack()),
        *frames,
    ]  # fmt: skip


def first(at_ms: int, seq: int, size: int, dsn: int) -> tuple[int, bytes]:
    option = dss(dsn, seq - 5000, size)
    return T + at_ms * MS, make.to_client(80, PORT, make.ACK, seq=seq, ack=1001, payload=size, options=option)


def past(at_ms: int, seq: int, size: int, dsn: int) -> tuple[int, bytes]:
    option = dss(dsn, seq - 700, size)
    return to_client_past(T + at_ms * MS, make.ACK, seq=seq, ack=6, payload=size, options=option)


def test_bytes_of_a_join_wait_for_the_initial_subflow(tmp_path: Path) -> None:
    frames = mptcp(
        first(10, 5001, 1000, 1),
        past(20, 701, 1000, 2001),  # waits for what the first subflow brings at 60 ms
        past(30, 1701, 500, 3001),
        first(60, 6001, 1000, 1001),
        past(70, 2201, 100, 3501),
    )
    (row,) = seen.rows(seen.observe(tmp_path, frames), "deliveries")
    assert row == {
        "point": "p", "connection": 0, "sender": "server", "bytes": 3600, "late_bytes": 1500, "lost_bytes": 0,
        "unmapped_bytes": 0, "wait_mean_s": pytest.approx(55 / 1500), "wait_most_s": 0.04,
        "wait_byte_seconds": pytest.approx(55.0), "behind_initial": 1.0, "buffer_most": 1500,
    }  # fmt: skip


def test_a_subflow_whose_syn_was_not_captured_begins_where_its_mappings_say(tmp_path: Path) -> None:
    frames = mptcp(
        first(10, 5001, 1000, 1),
        (T + 20 * MS, to_client_past(0, make.ACK, seq=1201, ack=6, payload=500, options=dss(2001, 1, 1000))[1]),
        past(21, 701, 500, 2001),  # the first segment of that burst, overtaken by the second one
        past(30, 1701, 500, 3001),
        first(60, 6001, 1000, 1001),
    )
    whole = seen.rows(seen.observe(tmp_path, frames), "deliveries")
    of_join = [place for place, (_, frame) in enumerate(frames) if place in (3, 4)]
    cut = [each for place, each in enumerate(frames) if place != of_join[1]]
    assert seen.rows(seen.observe(tmp_path, cut), "deliveries") == whole
    assert (whole[0]["bytes"], whole[0]["lost_bytes"], whole[0]["late_bytes"]) == (3500, 0, 1500)


def test_plain_tcp_waits_for_what_was_lost_and_what_never_comes_is_named(tmp_path: Path) -> None:
    frames = [
        *seen.tcp(PORT), *seen.body(PORT, 0.1, 5001, 1000), *seen.body(PORT, 0.2, 7001, 1000),
        *seen.body(PORT, 0.3, 6001, 1000), *seen.body(PORT, 0.4, 9001, 200),
    ]  # fmt: skip
    to_client, to_server = seen.rows(seen.observe(tmp_path, frames), "deliveries")
    wanted = {"sender": "server", "bytes": 3200, "late_bytes": 1000, "lost_bytes": 200, "wait_most_s": 0.1}
    wanted |= {"behind_initial": 0.0, "buffer_most": 1000}
    assert {name: to_client[name] for name in wanted} == wanted
    assert (to_server["sender"], to_server["bytes"], to_server["late_bytes"]) == ("client", 100, 0)


def test_a_connection_that_waits_for_nothing_says_so(tmp_path: Path) -> None:
    (row,) = seen.rows(seen.observe(tmp_path, mptcp(first(10, 5001, 1000, 1), past(20, 701, 50, 1001))), "deliveries")
    assert (row["late_bytes"], row["wait_mean_s"], row["behind_initial"], row["buffer_most"]) == (0, None, None, 0)


def test_a_reinjection_is_no_retransmission_of_its_subflow(tmp_path: Path) -> None:
    frames = mptcp(first(10, 5001, 1000, 1), past(20, 701, 400, 601), past(30, 1101, 100, 1001))
    (row,) = seen.rows(seen.observe(tmp_path, frames), "retransmissions")
    wanted = {"subflow": 1, "sender": "server", "t_s": 0.02, "bytes": 400, "kind": "reinjection", "useful": None}
    assert {name: row[name] for name in wanted} == wanted
    assert (row["after_s"], row["silent_s"]) == (0.01, None)


@pytest.mark.parametrize(("sent_at_ms", "useful"), [((9, 8), True), ((4, 12), False)])
def test_a_reinjection_is_of_use_if_the_copy_that_was_sent_last_came_first(
    tmp_path: Path, sent_at_ms: tuple[int, int], useful: bool
) -> None:
    observed = seen.observe(tmp_path, mptcp(first(10, 5001, 1000, 1), past(20, 701, 400, 601)))
    copies = [first(sent_at_ms[0], 5001, 1000, 1), past(sent_at_ms[1], 701, 400, 601)]
    elsewhere = read_pcap(make.write_pcap(tmp_path / "s.pcap", sorted(copies)))
    (row,) = seen.rows(seen.with_elsewhere(observed, elsewhere), "retransmissions")
    assert (row["kind"], row["useful"]) == ("reinjection", useful)


def data(at_ms: int, seq: int, size: int = 1000, **more: object) -> tuple[int, bytes]:
    return T + at_ms * MS, make.to_client(80, PORT, make.ACK, seq=seq, ack=1101, payload=size, **more)


def ack(at_ms: int, number: int, *blocks: tuple[int, int]) -> tuple[int, bytes]:
    option = b"".join(struct.pack(">II", *block) for block in blocks)
    option = bytes([1, 1, 5, 2 + len(option)]) + option if blocks else b""
    return T + at_ms * MS, make.to_server(PORT, 80, make.ACK, seq=1101, ack=number, options=option)


def test_what_was_sent_for_nothing_still_says_what_made_the_sender_do_it(tmp_path: Path) -> None:
    frames = [*seen.tcp(PORT), data(10, 5001), data(230, 5001), ack(231, 6001, (5001, 6001))]
    (row,) = seen.rows(seen.observe(tmp_path, frames), "retransmissions")
    assert (row["kind"], row["trigger"], row["silent_s"]) == ("spurious", "rto", 0.22)


def kinds(tmp_path: Path, *frames: tuple[int, bytes]) -> list[tuple[str, float | None]]:
    found = seen.rows(seen.observe(tmp_path, [*seen.tcp(PORT), *frames]), "retransmissions")
    return [(row["kind"], row["after_s"]) for row in found]


def test_what_was_sent_again_behind_something_acknowledged_was_sent_fast(tmp_path: Path) -> None:
    frames = (
        data(10, 5001), ack(11, 6001), data(12, 7001), ack(13, 6001, (7001, 8001)), data(20, 6001), ack(21, 8001)
    )  # fmt: skip
    assert kinds(tmp_path, *frames) == [("fast", None)]


def test_the_first_missing_byte_after_a_long_silence_was_sent_by_the_timer(tmp_path: Path) -> None:
    assert kinds(tmp_path, data(10, 5001), data(230, 5001), ack(231, 6001)) == [("rto", 0.22)]


def test_the_newest_packet_without_an_ack_was_sent_again_as_a_probe(tmp_path: Path) -> None:
    frames = (data(10, 5001), data(11, 6001), ack(12, 6001), data(50, 6001), ack(51, 7001))
    assert kinds(tmp_path, *frames) == [("tlp", 0.039)]


def test_what_the_receiver_says_to_have_had_was_sent_for_nothing(tmp_path: Path) -> None:
    reported = (data(10, 5001), data(230, 5001), ack(231, 6001, (5001, 6001)))
    assert kinds(tmp_path, *reported) == [("spurious", 0.22)]
    acknowledged = (data(10, 5001), ack(11, 6001), data(230, 5001))
    assert kinds(tmp_path, *acknowledged) == [("spurious", 0.22)]
