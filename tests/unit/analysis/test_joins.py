"""What becomes of joins, and how long connections wait for their second path."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import packet_maker as make

from analysis.flows.addresses import Addresses
from analysis.flows.connections import Traffic, find_connections
from analysis.flows.joins import Joins, join_outcomes, waits
from analysis.pcap import read_pcap

T = 1_700_000_000 * 10**9
MS = 10**6
KEY_A, KEY_B, KEY_C = b"AAAAAAAA", b"BBBBBBBB", b"CCCCCCCC"
SECOND = "10.0.1.3"

ADDRESSES = Addresses(
    client=tuple(int(ipaddress.IPv4Address(text)) for text in (make.CLIENT, make.CLIENT_DIRECT, SECOND)),
    service=int(ipaddress.IPv4Address(make.VIP)),
    service_port=80,
    unique={"s1": int(ipaddress.IPv4Address(make.UNIQUE))},
)


def traffic_of(tmp_path: Path, packets: list[tuple[int, bytes]]) -> Traffic:
    ordered = sorted(packets, key=lambda packet: packet[0])
    return find_connections(read_pcap(make.write_pcap(tmp_path / "a.pcap", ordered)), ADDRESSES)


def join_to_vip(time_ns: int, port: int, key: bytes) -> tuple[int, bytes]:
    options = make.MSS + make.mp_join_syn(make.token_of(key))
    return time_ns, make.to_server(port, 80, make.SYN, src=SECOND, seq=5, options=options)


def test_each_join_ends_in_one_way(tmp_path: Path) -> None:
    refusal = make.to_client(80, 50003, make.RST | make.ACK, dst=SECOND)
    plain = make.to_client(80, 50004, make.SYN | make.ACK, dst=SECOND, options=make.MSS)
    late_reset = make.to_client(80, 50002, make.RST, src=make.UNIQUE, dst=make.CLIENT_DIRECT)
    own_reset = make.to_server(50001, 80, make.RST, src=make.CLIENT_DIRECT, dst=make.UNIQUE)
    traffic = traffic_of(
        tmp_path,
        [
            *make.handshake(T, 40001, key=KEY_A),
            *make.join(T + 5 * MS, 50001, KEY_A), (T + 9 * MS, own_reset),
            *make.join(T + 5 * MS, 50002, KEY_A), (T + 8 * MS, late_reset),
            join_to_vip(T + 5 * MS, 50003, KEY_A), (T + 6 * MS, refusal),
            join_to_vip(T + 5 * MS, 50004, KEY_A), (T + 6 * MS, plain),
            join_to_vip(T + 5 * MS, 50005, KEY_A), join_to_vip(T + 1005 * MS, 50005, KEY_A),
        ],
    )  # fmt: skip
    assert join_outcomes(traffic) == Joins(asked=5, accepted=2, refused=2, unanswered=1, reset=1)


def test_a_wait_ends_with_the_first_join_that_is_accepted(tmp_path: Path) -> None:
    refusal = make.to_client(80, 50001, make.RST | make.ACK, dst=SECOND)
    packets = [
        *make.handshake(T, 40001, key=KEY_A), make.data(T + 2 * MS, 40001, 100),
        join_to_vip(T + 3 * MS, 50001, KEY_A), (T + 4 * MS, refusal),
        *make.join(T + 31 * MS, 50002, KEY_A), *make.join(T + 51 * MS, 50003, KEY_A),
        make.data(T + 70 * MS, 50003, 100, past=True), make.data(T + 60 * MS, 50002, 100, past=True),
    ]  # fmt: skip
    found = waits(traffic_of(tmp_path, packets))
    # SYN+ACK of the initial subflow at 0.001 ms, that of the first accepted join at 31.001 ms.
    assert (found.connections, found.join_wait_s, found.bypass_wait_s) == (1, (0.031,), (0.06,))


def test_a_connection_that_never_gets_there_has_no_value_and_an_unused_one_does_not_count(tmp_path: Path) -> None:
    packets = [
        *make.handshake(T, 40001, key=KEY_A), make.data(T + 2 * MS, 40001, 100),
        *make.handshake(T, 40002, key=KEY_B), make.data(T + 2 * MS, 40002, 100), *make.join(T + MS, 50002, KEY_B),
        *make.handshake(T, 40003, key=KEY_C), *make.join(T + 9 * MS, 50003, KEY_C),
    ]  # fmt: skip
    found = waits(traffic_of(tmp_path, packets))
    assert (found.connections, found.join_wait_s, found.bypass_wait_s) == (2, (0.001,), ())


def test_a_repeated_syn_does_not_shorten_the_wait(tmp_path: Path) -> None:
    syn = make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS + make.mp_capable())
    packets = [
        (T - 1000 * MS, syn), *make.handshake(T, 40001, key=KEY_A),
        *make.join(T + 10 * MS, 50001, KEY_A, completed=False), *make.join(T + 1010 * MS, 50001, KEY_A),
        make.data(T + 1011 * MS, 50001, 100, past=True),
    ]  # fmt: skip
    found = waits(traffic_of(tmp_path, packets))
    assert (found.join_wait_s, found.bypass_wait_s) == ((1.01,), (2.011,))


def test_plain_tcp_waits_for_nothing(tmp_path: Path) -> None:
    traffic = traffic_of(tmp_path, [*make.handshake(T, 40001), make.data(T + 2 * MS, 40001, 100)])
    found = waits(traffic)
    assert (found.connections, found.join_wait_s, found.bypass_wait_s) == (0, (), ())
    assert join_outcomes(traffic) == Joins(asked=0, accepted=0, refused=0, unanswered=0, reset=0)


def test_a_capture_without_packets_has_neither(tmp_path: Path) -> None:
    traffic = traffic_of(tmp_path, [])
    assert join_outcomes(traffic).asked == waits(traffic).connections == 0
