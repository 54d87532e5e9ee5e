"""The tables of steps and progress: exact values, and what they have in common with the others."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import observation_maker as seen
import packet_maker as make
import pytest
from observation_maker import MS, S, T

from analysis.flows.observation import Observation
from analysis.tables.steps import step_ns

KEY, CLIENT_KEY = b"AAAAAAAA", b"CCCCCCCC"
UNIQUE = seen.UNIQUE["s2"]


def dss(dsn: int, subflow_seq: int, length: int) -> bytes:
    """DSS with a 4-byte data acknowledgement (9) and a mapping with a 4-byte DSN."""
    return bytes([30, 18, 0x20, 0x05]) + struct.pack(">IIIH", 9, dsn, subflow_seq, length)


def past(at_ns: int, flags: int, **more: Any) -> tuple[int, bytes]:
    return at_ns, make.to_client(80, 50001, flags, src=UNIQUE, dst=make.CLIENT_DIRECT, **more)


def frames() -> seen.Frames:
    """An MPTCP connection whose data sequence numbers go round: 1000 bytes by the director, then 1400 past it, 400 of
    these after the others although they come before them, and 200 of them twice.
    """
    both = make.mp_capable(CLIENT_KEY + KEY)
    join = make.mp_join_syn(make.token_of(KEY), address_id=3)
    last = (1 << 32) - 600
    return [
        (T, make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS + make.mp_capable())),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=5000, ack=1001,
                                options=make.MSS + make.mp_capable(KEY, flags=0x21))),
        (T + 2 * MS, make.to_server(40001, 80, make.ACK, seq=1001, ack=5001, options=both)),
        (T + 20 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1001, payload=1000,
                                 options=dss(last, 1, 1000))),
        (T + 30 * MS, make.to_server(50001, 80, make.SYN, src=make.CLIENT_DIRECT, dst=UNIQUE, seq=5,
                                     options=make.MSS + join)),
        past(T + 40 * MS, make.SYN | make.ACK, seq=700, ack=6, options=make.MSS + make.mp_join_syn_ack(address_id=7)),
        past(T + 500 * MS, make.ACK, seq=701, ack=6, payload=1000, options=dss(800, 1, 1000)),
        past(T + 501 * MS, make.ACK, seq=1701, ack=6, payload=400, options=dss(400, 1001, 400)),
        past(T + 900 * MS, make.ACK, seq=1901, ack=6, payload=200, options=dss(600, 1201, 200)),
        (T + 1000 * MS, make.to_client(80, 40001, make.RST, seq=6001)),
    ]  # fmt: skip


@pytest.fixture
def observed(tmp_path: Path) -> Observation:
    return seen.observe(tmp_path, frames(), end_s=30.0)


def test_a_point_has_300_steps_at_most_of_a_round_length(tmp_path: Path) -> None:
    lengths = {30.0: 100 * MS, 30.1: 200 * MS, 120.0: 500 * MS, 150.0: 500 * MS, 0.25: MS, 3e9: 10**16}
    for end_s, length in lengths.items():
        assert step_ns(seen.observe(tmp_path, frames(), end_s=end_s)) == length, end_s
    assert step_ns(seen.observe(tmp_path, frames(), end_s=None)) == 5 * MS


def test_progress_has_the_range_of_each_subflow_in_each_step(observed: Observation) -> None:
    names = ("subflow", "step", "packets", "payload_bytes", "repeated_bytes", "first_byte", "end_byte")
    assert [tuple(row[name] for name in names) for row in seen.rows(observed, "progress")] == [
        (0, 0, 1, 1000, 0, 0, 1000),
        (1, 5, 2, 1400, 0, 1000, 2400),
        (1, 9, 1, 200, 200, 1200, 1400),
    ]
    assert {row["direction"] for row in seen.rows(observed, "progress")} == {"to-client"}


def test_steps_tell_paths_and_servers_apart(observed: Observation) -> None:
    names = ("step", "path", "server", "direction", "packets", "payload_bytes", "resets")
    found = [tuple(row[name] for name in names) for row in seen.rows(observed, "steps")]
    assert [row for row in found if row[5] or row[6]] == [
        (0, "director", "s2", "to-client", 2, 1000, 0),
        (10, "director", "s2", "to-client", 1, 0, 1),
        (5, "past", "s2", "to-client", 2, 1400, 0),
        (9, "past", "s2", "to-client", 1, 200, 0),
    ]


def test_steps_add_up_to_the_seconds(observed: Observation) -> None:
    """The table of seconds is made of addresses, that of steps of flows."""
    for name in ("packets", "payload_bytes", "ip_bytes", "resets"):
        of_steps = {key: 0 for row in seen.rows(observed, "seconds") if (key := (row["second"], row["path"]))}
        of_seconds = dict(of_steps)
        for row in seen.rows(observed, "seconds"):
            of_seconds[row["second"], row["path"]] += row[name]
        for row in seen.rows(observed, "steps"):
            of_steps[int(row["step"] * row["step_s"] + 1e-9), row["path"]] += row[name]
        assert of_steps == of_seconds and any(of_steps.values()), name


def test_plain_tcp_goes_by_its_sequence_numbers(tmp_path: Path) -> None:
    isn = (1 << 32) - 100
    sent = [
        (T, make.to_server(40001, 80, make.SYN, seq=9, options=make.MSS)),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=isn - 1, ack=10, options=make.MSS)),
        *((T + S + part * MS, make.to_client(80, 40001, make.ACK, seq=(isn + part * 200) % (1 << 32), ack=10,
                                             payload=200)) for part in range(3)),
    ]  # fmt: skip
    (row,) = seen.rows(seen.observe(tmp_path, sent, end_s=30.0), "progress")
    assert (row["first_byte"], row["end_byte"], row["payload_bytes"]) == (0, 600, 600)


def test_an_upload_is_shown_in_its_own_direction(tmp_path: Path) -> None:
    (row,) = seen.rows(seen.observe(tmp_path, seen.tcp(40001, request=900), end_s=3.0), "progress")
    assert (row["direction"], row["payload_bytes"]) == ("to-server", 900)


def test_of_very_many_connections_every_nth_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [frame for port in range(10) for frame in seen.tcp(40001 + port, port / 10)]
    monkeypatch.setattr("analysis.tables.progress.MOST_CONNECTIONS", 4)
    shown = [row["connection"] for row in seen.rows(seen.observe(tmp_path, many), "progress")]
    assert shown == [0, 3, 6, 9]


def test_no_packet_makes_no_row(tmp_path: Path) -> None:
    observed = seen.observe(tmp_path, [])
    assert seen.rows(observed, "steps") == seen.rows(observed, "progress") == []
