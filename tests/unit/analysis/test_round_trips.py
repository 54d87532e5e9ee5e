"""Round trips, delayed ACKs, flight and windows of subflows: exact values from packets made by hand."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import observation_maker as seen
import packet_maker as make
from observation_maker import MS, T

from analysis.pcap import read_pcap
from analysis.summary.of_captures import analyse_captures

SCALE_7 = bytes([1, 3, 3, 7])


def stamps(value: int, echo: int) -> bytes:
    return bytes([1, 1, 8, 10]) + struct.pack(">II", value, echo)


def delays(observed: Any) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["subflow"], row["sender"]): row for row in seen.rows(observed, "delays")}


def test_the_newest_packet_that_an_ack_covers_tells_the_round_trip(tmp_path: Path) -> None:
    frames = [
        *seen.tcp(40001),
        (T + 10 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1101, payload=1000)),
        (T + 12 * MS, make.to_client(80, 40001, make.ACK, seq=6001, ack=1101, payload=1000)),
        (T + 17 * MS, make.to_server(40001, 80, make.ACK, seq=1101, ack=7001)),
    ]
    found = delays(seen.observe(tmp_path, frames))
    of_server = found[0, "server"]
    # SYN+ACK to ACK: 1 ms; the second packet: 5 ms. The first of the two has no sample.
    wanted = {"handshake_s": 0.001, "samples": 2, "least_s": 0.001, "most_s": 0.005, "delayed_acks": 0}
    assert {name: of_server[name] for name in wanted} == wanted
    of_client = found[0, "client"]
    # SYN to SYN+ACK: 1 ms; the request of 3 ms is acknowledged by data at 10 ms.
    wanted = {"handshake_s": 0.001, "samples": 2, "least_s": 0.001, "most_s": 0.007, "flight_most": 100}
    assert {name: of_client[name] for name in wanted} == wanted


def test_what_was_sent_again_before_its_ack_has_no_round_trip(tmp_path: Path) -> None:
    frames = [
        *seen.tcp(40001),
        (T + 10 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1101, payload=1000)),
        (T + 250 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1101, payload=1000)),
        (T + 251 * MS, make.to_server(40001, 80, make.ACK, seq=1101, ack=6001)),
        *seen.body(40001, 0.3, 6001, 500),
    ]
    of_server = delays(seen.observe(tmp_path, frames))[0, "server"]
    assert (of_server["samples"], of_server["least_s"], of_server["most_s"]) == (2, 0.001, 0.001)


def test_an_ack_that_waits_for_a_second_segment_is_marked_and_counts_for_no_round_trip(tmp_path: Path) -> None:
    frames = [
        *seen.tcp(40001),
        *seen.body(40001, 0.1, 5001, 1448),
        (T + 200 * MS, make.to_client(80, 40001, make.ACK, seq=6449, ack=1101, payload=100)),
        (T + 243 * MS, make.to_server(40001, 80, make.ACK, seq=1101, ack=6549)),
        # Two full segments must be acknowledged at once: what takes as long here is the way.
        (T + 300 * MS, make.to_client(80, 40001, make.ACK, seq=6549, ack=1101, payload=1448)),
        (T + 300 * MS, make.to_client(80, 40001, make.ACK, seq=7997, ack=1101, payload=1448)),
        (T + 343 * MS, make.to_server(40001, 80, make.ACK, seq=1101, ack=9445)),
    ]
    of_server = delays(seen.observe(tmp_path, frames))[0, "server"]
    assert (of_server["delayed_acks"], of_server["samples"], of_server["most_s"]) == (1, 3, 0.043)


def test_sequence_numbers_that_go_round_have_round_trips(tmp_path: Path) -> None:
    start = 2**32 - 100
    frames = [
        (T, make.to_server(40001, 80, make.SYN, seq=1)),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=start - 1, ack=2)),
        (T + 2 * MS, make.to_server(40001, 80, make.ACK, seq=2, ack=start)),
        (T + 3 * MS, make.to_client(80, 40001, make.ACK, seq=start, ack=2, payload=300)),
        (T + 9 * MS, make.to_server(40001, 80, make.ACK, seq=2, ack=200)),
    ]
    of_server = delays(seen.observe(tmp_path, frames))[0, "server"]
    assert (of_server["samples"], of_server["most_s"], of_server["flight_most"]) == (2, 0.006, 300)


def test_a_time_stamp_that_comes_back_is_a_round_trip(tmp_path: Path) -> None:
    frames = [
        (T, make.to_server(40001, 80, make.SYN, seq=1, options=stamps(100, 0))),
        (T + 4 * MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=9, ack=2, options=stamps(700, 100))),
        (T + 5 * MS, make.to_server(40001, 80, make.ACK, seq=2, ack=10, options=stamps(104, 700))),
        (T + 6 * MS, make.to_server(40001, 80, make.ACK, seq=2, ack=10, options=stamps(104, 700), payload=5)),
        (T + 16 * MS, make.to_client(80, 40001, make.ACK, seq=10, ack=7, options=stamps(710, 104), payload=5)),
    ]
    found = delays(seen.observe(tmp_path, frames))
    of_client, of_server = found[0, "client"], found[0, "server"]
    # TSval 104 was first seen at 5 ms, its echo at 16 ms.
    assert (of_client["stamp_samples"], of_client["stamp_least_s"], of_client["stamp_median_s"]) == (2, 0.004, 0.004)
    assert (of_server["stamp_samples"], of_server["stamp_least_s"]) == (1, 0.001)


def test_windows_are_in_bytes_where_the_handshake_has_their_scale(tmp_path: Path) -> None:
    frames = [
        (T, make.to_server(40001, 80, make.SYN, seq=1, options=make.MSS + SCALE_7, window=64000)),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=9, ack=2, options=make.MSS + SCALE_7)),
        (T + 2 * MS, make.to_server(40001, 80, make.ACK, seq=2, ack=10, window=502)),
        (T + 3 * MS, make.to_server(40001, 80, make.ACK, seq=2, ack=10, window=600)),
    ]
    of_server = delays(seen.observe(tmp_path, frames))[0, "server"]
    assert (of_server["window_least"], of_server["window_most"]) == (502 << 7, 600 << 7)
    midstream = delays(seen.observe(tmp_path, frames[2:]))
    assert {row["window_most"] for row in midstream.values()} == {None}


def test_one_way_delays_are_between_both_places_whatever_a_director_translates(tmp_path: Path) -> None:
    observed = seen.observe(tmp_path, [*seen.tcp(40001), *seen.body(40001, 0.1, 5001, 1000)])
    real = "10.0.11.2"
    at_server = [
        (T + 3 * MS // 2, make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS, dst=real)),
        (T + 95 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1101, payload=1000, src=real)),
        (T + 110 * MS, make.to_server(40001, 80, make.ACK, seq=1101, ack=6001, dst=real)),
    ]
    elsewhere = read_pcap(make.write_pcap(tmp_path / "s.pcap", at_server))
    found = delays(seen.with_elsewhere(observed, elsewhere))
    assert observed.one_way is None
    of_client, of_server = found[0, "client"], found[0, "server"]
    assert (of_client["one_way_samples"], of_client["one_way_least_s"], of_client["one_way_most_s"]) == (
        2,
        0.0015,
        0.009,
    )
    assert (of_server["one_way_samples"], of_server["one_way_median_s"]) == (1, 0.005)


def test_captures_of_both_ends_tell_one_way_delays_wherever_they_are_from(tmp_path: Path) -> None:
    at_client = [
        (T, make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS)),
        (T + 10 * MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=5000, ack=1001, options=make.MSS)),
        (T + 11 * MS, make.to_server(40001, 80, make.ACK | make.PSH, seq=1001, ack=5001, payload=100)),
        *seen.body(40001, 0.1, 5001, 1000),
    ]
    # 2 ms from the client to the server, 3 ms back.
    from_client = at_client[0][1][26:30]
    at_server = [(time + (2 if frame[26:30] == from_client else -3) * MS, frame) for time, frame in at_client]
    paths = [make.write_pcap(tmp_path / name, each) for name, each in (("c.pcap", at_client), ("s.pcap", at_server))]
    found = {row["sender"]: row for row in analyse_captures(paths).tables["delays"].to_pylist()}
    assert [found["client"][f"one_way_{name}"] for name in ("samples", "least_s", "most_s")] == [3, 0.002, 0.002]
    assert [found["server"][f"one_way_{name}"] for name in ("samples", "least_s", "most_s")] == [2, 0.003, 0.003]
    alone = analyse_captures(paths[:1]).tables["delays"].to_pylist()
    assert {row["one_way_samples"] for row in alone} == {None}


def test_of_equal_packets_that_one_place_has_more_often_no_delay_is_told(tmp_path: Path) -> None:
    again = make.to_server(40001, 80, make.ACK, seq=1101, ack=5001)
    observed = seen.observe(tmp_path, [*seen.tcp(40001), (T + 50 * MS, again), (T + 60 * MS, again)])
    elsewhere = read_pcap(make.write_pcap(tmp_path / "s.pcap", [(T + 61 * MS, again)]))
    assert delays(seen.with_elsewhere(observed, elsewhere))[0, "client"]["one_way_samples"] == 0
    both = read_pcap(make.write_pcap(tmp_path / "both.pcap", [(T + 55 * MS, again), (T + 61 * MS, again)]))
    row = delays(seen.with_elsewhere(observed, both))[0, "client"]
    assert (row["one_way_samples"], row["one_way_least_s"], row["one_way_most_s"]) == (2, 0.001, 0.005)
