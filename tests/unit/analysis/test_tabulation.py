"""The tables of connections, subflows and seconds: exact values from packets made by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import observation_maker as seen
import packet_maker as make
import pytest
from observation_maker import MS, S, T

from analysis.tables.packets import tabulate_packets

KEY, CLIENT_KEY = b"AAAAAAAA", b"CCCCCCCC"
UNIQUE = seen.UNIQUE["s2"]


def dss(dsn: int, subflow_seq: int, length: int) -> bytes:
    """DSS with a 4-byte data acknowledgement (9) and a mapping with a 4-byte DSN."""
    return bytes([30, 18, 0x20, 0x05]) + struct.pack(">IIIH", 9, dsn, subflow_seq, length)


def add_addr(address: str, *, echo: bool = False) -> bytes:
    packed = bytes(int(part) for part in address.split("."))
    return bytes([30, 8 if echo else 16, 0x30 | echo, 7]) + packed + (b"" if echo else bytes(8))


def prio(*, backup: bool) -> bytes:
    return bytes([30, 3, 0x50 | backup])


def join_ack() -> bytes:
    return bytes([30, 24, 0x10, 0]) + bytes(20)


def to_client_past(at_ns: int, flags: int, **more: object) -> tuple[int, bytes]:
    return at_ns, make.to_client(80, 50001, flags, src=UNIQUE, dst=make.CLIENT_DIRECT, **more)


def to_server_past(at_ns: int, flags: int, **more: object) -> tuple[int, bytes]:
    return at_ns, make.to_server(50001, 80, flags, src=make.CLIENT_DIRECT, dst=UNIQUE, **more)


def frames() -> seen.Frames:
    """An MPTCP connection: 1000 bytes by the director, 3000 past it, 500 of these reinjected and 200 retransmitted."""
    both = make.mp_capable(CLIENT_KEY + KEY)
    return [
        (T, make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS + make.mp_capable())),
        (T + 10 * MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=5000, ack=1001,
                                     options=make.MSS + make.mp_capable(KEY, flags=0x21))),
        (T + 11 * MS, make.to_server(40001, 80, make.ACK, seq=1001, ack=5001, options=both)),
        (T + 12 * MS, make.to_server(40001, 80, make.ACK, seq=1001, ack=5001, payload=80)),
        (T + 15 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1081, options=add_addr(UNIQUE))),
        (T + 16 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1081, options=add_addr(UNIQUE))),
        (T + 17 * MS, make.to_server(40001, 80, make.ACK, seq=1081, ack=5001, options=add_addr(UNIQUE, echo=True))),
        (T + 18 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1081, options=prio(backup=True))),
        (T + 20 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1081, payload=1000, options=dss(1, 1, 1000))),
        to_server_past(T + 30 * MS, make.SYN, seq=5,
                       options=make.MSS + make.mp_join_syn(make.token_of(KEY), address_id=3)),
        to_client_past(T + 40 * MS, make.SYN | make.ACK, seq=700, ack=6,
                       options=make.MSS + make.mp_join_syn_ack(address_id=7)),
        to_server_past(T + 41 * MS, make.ACK, seq=6, ack=701, options=join_ack()),
        # A burst of 2000 bytes as two segments, both with the mapping of the whole burst.
        to_client_past(T + 50 * MS, make.ACK, seq=701, ack=6, payload=1000, options=dss(1001, 1, 2000)),
        to_client_past(T + 51 * MS, make.ACK, seq=1701, ack=6, payload=1000, options=dss(1001, 1, 2000)),
        to_client_past(T + 52 * MS, make.ACK, seq=2501, ack=6, payload=200, options=dss(2801, 1801, 200)),
        # What the director's path carried last, again.
        to_client_past(T + 1200 * MS, make.ACK, seq=2701, ack=6, payload=500, options=dss(501, 2001, 500)),
        (T + 2 * S, make.to_client(80, 40001, make.FIN | make.ACK, seq=6001, ack=1081)),
        (T + 2 * S + MS, make.to_server(40001, 80, make.FIN | make.ACK, seq=1081, ack=6002)),
        to_server_past(T + 2 * S + 2 * MS, make.FIN | make.ACK, seq=6, ack=3201),
    ]  # fmt: skip


def test_a_connection_with_all_its_subflows_is_one_row(tmp_path: Path) -> None:
    (row,) = seen.rows(seen.observe(tmp_path, frames()), "connections")
    expected = {
        "point": "p", "connection": 0, "protocol": "mptcp", "client_address": make.CLIENT, "client_port": 40001,
        "server_address": make.VIP, "server_port": 80, "token": make.token_of(KEY),
        "client_token": make.token_of(CLIENT_KEY), "mptcp_version": 1, "deny_join": True, "server": "s2",
        "server_evidence": "connection", "syn_s": 0.0, "established_s": 0.011, "first_data_s": 0.02,
        "last_data_s": 1.2, "last_new_data_s": 1.2,
        "end_s": 2.001, "join_wait_s": pytest.approx(0.03), "join_confirmed_s": 0.05,
        "past_wait_s": pytest.approx(0.05), "subflows": 2, "subflows_established": 2, "add_addr_sent": 2,
        "add_addr_echoed": 1, "bytes_to_client": 3700, "bytes_to_server": 80, "bytes_past_to_client": 2700,
        "bytes_past_to_server": 0, "past_share": pytest.approx(27 / 37),
        "distinct_to_client": 3000, "distinct_to_server": 80,
        "retransmitted_to_client": 200, "retransmitted_to_server": 0,
        "reinjected_to_client": 500, "reinjected_to_server": 0, "churn_events": 0, "end": "closed",
        "survived": True, "why": "closed in order", "reset": None,
    }  # fmt: skip
    assert row == expected


def test_each_subflow_has_its_handshake_backup_and_close(tmp_path: Path) -> None:
    initial, join = seen.rows(seen.observe(tmp_path, frames()), "subflows")
    wanted = {
        "kind": "initial", "path": "director", "server": "s2", "opened_by": "client", "client_address_id": None,
        "interface": "c.pcap", "points_seen": 1, "syn_s": 0.0, "syns": 1, "syn_ack_s": 0.01, "established_s": 0.011,
        "joined_s": None, "confirmed_s": None, "accepted": True, "backup_in_syn": None, "backup_s": 0.018,
        "backup_by": "server", "add_addr_sent": 2, "add_addr_repeated": 1, "add_addr_echoed": 1, "add_addr_s": 0.015,
        "add_addr_echo_s": 0.017, "add_addr_address": UNIQUE, "first_data_to_client_s": 0.02,
        "last_data_to_server_s": 0.012, "packets_to_client": 6, "packets_to_server": 5, "bytes_to_client": 1000,
        "bytes_to_server": 80, "fin_by_client_s": 2.001, "fin_by_server_s": 2.0, "end": "closed", "end_by": "server",
        "end_s": 2.001,
    }  # fmt: skip
    assert {name: initial[name] for name in wanted} == wanted
    wanted = {
        "kind": "join", "path": "past", "server": "s2", "server_evidence": "address", "client_address_id": 3,
        "server_address_id": 7, "syn_s": 0.03, "syn_ack_s": 0.04, "established_s": 0.041, "joined_s": 0.041,
        "confirmed_s": 0.05, "accepted": True, "backup_in_syn": False, "backup_s": None, "backup_by": None,
        "add_addr_sent": 0, "add_addr_s": None, "bytes_to_client": 2700, "retransmitted_to_client": 200,
        "fin_by_server_s": None, "end": "half-closed", "end_by": None, "end_s": None,
    }  # fmt: skip
    assert {name: join[name] for name in wanted} == wanted


def test_an_address_is_announced_repeated_and_echoed(tmp_path: Path) -> None:
    found = seen.rows(seen.observe(tmp_path, frames()), "announcements")
    common = {"point": "p", "connection": 0, "subflow": 0, "address": UNIQUE, "port": None}
    assert [{name: row[name] for name in common} for row in found] == [common] * 3
    assert [(row["t_s"], row["sender"], row["kind"]) for row in found] == [
        (0.015, "server", "announcement"), (0.016, "server", "repeat"), (0.017, "client", "echo"),
    ]  # fmt: skip
    assert len({row["address_id"] for row in found}) == 1


def test_seconds_have_a_row_for_each_path_and_direction(tmp_path: Path) -> None:
    rows = seen.rows(seen.observe(tmp_path, frames(), end_s=2.5), "seconds")
    found = {
        (row["path"], row["server"], row["direction"], row["second"]): (
            row["payload_bytes"],
            row["packets"],
            row["whole"],
        )
        for row in rows
    }
    assert found["director", None, "to-client", 0] == (1000, 5, True)
    assert found["past", "s2", "to-client", 0] == (2200, 4, True)
    assert found["past", "s2", "to-client", 1] == (500, 1, True)
    assert found["past", "s3", "to-client", 1] == (0, 0, True)
    assert found["director", None, "to-server", 2] == (0, 1, False)
    assert len(rows) == 3 * 2 * 4


def test_plain_tcp_and_a_fallback_are_told_apart(tmp_path: Path) -> None:
    offered = make.to_server(40002, 80, make.SYN, seq=9, options=make.MSS + make.mp_capable())
    answer = make.to_client(80, 40002, make.SYN | make.ACK, ack=10, options=make.MSS)
    observed = seen.observe(tmp_path, [*seen.tcp(40001), (T + S, offered), (T + S + MS, answer)])
    assert [row["protocol"] for row in seen.rows(observed, "connections")] == ["tcp", "fallback"]
    assert [row["accepted"] for row in seen.rows(observed, "subflows")] == [True, False]


def test_a_syn_without_an_answer_is_no_survivor(tmp_path: Path) -> None:
    syn = make.to_server(40001, 80, make.SYN, seq=9)
    observed = seen.observe(tmp_path, [(T, syn), (T + S, syn)])
    (row,) = seen.rows(observed, "connections")
    assert (row["end"], row["survived"], row["why"], row["established_s"]) == (
        "unanswered",
        False,
        "no SYN+ACK came",
        None,
    )
    assert seen.rows(observed, "subflows")[0]["syns"] == 2


def test_sequence_numbers_that_go_round_are_no_retransmission(tmp_path: Path) -> None:
    start = 2**32 - 100
    packets = [
        (T, make.to_server(40001, 80, make.SYN, seq=1)),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=start - 1, ack=2)),
        (T + 2 * MS, make.to_client(80, 40001, make.ACK, seq=start, payload=100)),
        (T + 3 * MS, make.to_client(80, 40001, make.ACK, seq=0, payload=100)),
        (T + 4 * MS, make.to_client(80, 40001, make.ACK, seq=start + 50, payload=100)),
    ]
    (row,) = seen.rows(seen.observe(tmp_path, packets), "subflows")
    assert (row["bytes_to_client"], row["retransmitted_to_client"], row["distinct_to_client"]) == (300, 100, 200)


def test_what_fills_a_hole_is_retransmitted_and_yet_no_second_copy(tmp_path: Path) -> None:
    packets = [
        *seen.tcp(40001), *seen.body(40001, 0.1, 5001, 100), *seen.body(40001, 0.2, 5201, 100),
        *seen.body(40001, 0.3, 5101, 100),
    ]  # fmt: skip
    (row,) = seen.rows(seen.observe(tmp_path, packets), "subflows")
    assert (row["bytes_to_client"], row["retransmitted_to_client"], row["distinct_to_client"]) == (300, 100, 300)


def test_packets_of_one_connection_have_their_place_in_the_data_sequence(tmp_path: Path) -> None:
    observed = seen.observe(tmp_path, [*frames(), *seen.tcp(40009, 5.0)])
    rows = tabulate_packets(observed, 0).to_pylist()
    assert len(rows) == 19
    carrying = [(row["path"], row["dsn"], row["payload_bytes"]) for row in rows if row["dsn"] is not None]
    assert carrying == [
        ("director", 1, 1000), ("past", 1001, 1000), ("past", 2001, 1000), ("past", 2801, 200), ("past", 501, 500),
    ]  # fmt: skip
    assert {row["data_ack"] for row in rows if row["dsn"] is not None} == {9}
    assert tabulate_packets(observed).num_rows == 23
