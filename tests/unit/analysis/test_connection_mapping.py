from __future__ import annotations

import gzip
import ipaddress
from pathlib import Path

import numpy as np
import packet_maker as make

from analysis.flows.addresses import Addresses
from analysis.flows.connections import Traffic, find_connections, resets
from analysis.flows.paths import SERVICE, UNIQUE
from analysis.pcap import merge, read_pcap

DATA = Path(__file__).with_name("data")
T = 1_700_000_000 * 10**9
MS = 10**6
KEY_A, KEY_B, KEY_C = b"AAAAAAAA", b"BBBBBBBB", b"CCCCCCCC"


def number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))


ADDRESSES = Addresses(
    client=(number(make.CLIENT), number(make.CLIENT_DIRECT)),
    service=number(make.VIP),
    service_port=80,
    unique={"s1": number(make.UNIQUE)},
)


def traffic_of(tmp_path: Path, packets: list[tuple[int, bytes]]) -> Traffic:
    return find_connections(read_pcap(make.write_pcap(tmp_path / "a.pcap", sorted(packets))), ADDRESSES)


def test_a_repeated_syn_opens_no_second_flow(tmp_path: Path) -> None:
    syn = make.to_server(40001, 80, make.SYN, seq=77)
    traffic = traffic_of(tmp_path, [(T, syn), (T + 1000 * MS, syn), (T + 3000 * MS, syn)])
    assert traffic.opened == 1
    assert traffic.flows.opened_ns.tolist() == [T]
    assert not traffic.flows.answered[0]


def test_a_reused_port_opens_a_second_flow_with_bytes_of_its_own(tmp_path: Path) -> None:
    traffic = traffic_of(
        tmp_path,
        [
            *make.handshake(T, 40001, isn=77), make.data(T + 2 * MS, 40001, 100),
            *make.handshake(T + 5 * MS, 40001, isn=99), make.data(T + 7 * MS, 40001, 30),
        ],
    )  # fmt: skip
    assert traffic.opened == 2
    assert traffic.flows.payload_bytes.tolist() == [100, 30]


def test_joins_are_tied_to_their_connection_by_the_token_of_the_servers_key(tmp_path: Path) -> None:
    packets = [
        *make.handshake(T, 40001, key=KEY_A),
        *make.handshake(T + 1 * MS, 40002, key=KEY_B),
        *make.handshake(T + 2 * MS, 40003, key=KEY_C),
        *make.join(T + 3 * MS, 50002, KEY_B),
        *make.join(T + 4 * MS, 50001, KEY_A),
        *make.join(T + 5 * MS, 50003, KEY_C, completed=False),
        make.data(T + 6 * MS, 40001, 1_000),
        make.data(T + 6 * MS, 50001, 60_000, past=True),
        make.data(T + 7 * MS, 50002, 7_000, past=True),
        make.data(T + 8 * MS, 40003, 2_000_000 // 40),
    ]
    traffic = traffic_of(tmp_path, packets)
    assert (traffic.opened, traffic.mptcp_connections, traffic.joined) == (3, 3, 2)
    assert traffic.flows.connection.tolist() == [0, 1, 2, 1, 0, 2]
    assert traffic.joins.tolist() == [1, 1, 0]
    assert traffic.connection_bytes.tolist() == [61_000, 7_000, 50_000]
    assert traffic.flows.kind.tolist() == [SERVICE] * 3 + [UNIQUE] * 3
    assert (traffic.bytes_via_director, traffic.bytes_past_director) == (51_000, 67_000)
    assert traffic.director_bypass_share == 67_000 / 118_000
    assert (traffic.fallen_back, traffic.unmatched_joins) == (0, 0)
    assert traffic.never_joined(50_000) == 1
    assert traffic.never_joined(50_001) == 0


def test_a_join_with_a_wrong_token_joins_nothing(tmp_path: Path) -> None:
    traffic = traffic_of(tmp_path, [*make.handshake(T, 40001, key=KEY_A), *make.join(T + MS, 50001, KEY_B)])
    assert (traffic.mptcp_connections, traffic.joined, traffic.unmatched_joins) == (1, 0, 1)


def test_a_token_that_comes_again_means_the_later_connection(tmp_path: Path) -> None:
    traffic = traffic_of(
        tmp_path,
        [
            *make.handshake(T, 40001, key=KEY_A), *make.join(T + MS, 50001, KEY_A),
            *make.handshake(T + 10 * MS, 40002, key=KEY_A), *make.join(T + 11 * MS, 50002, KEY_A),
        ],
    )  # fmt: skip
    assert traffic.flows.connection.tolist() == [0, 0, 1, 1]


def test_an_answer_without_mp_capable_is_a_fallback(tmp_path: Path) -> None:
    syn = (T, make.to_server(40001, 80, make.SYN, options=make.mp_capable()))
    plain = (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, options=make.MSS))
    traffic = traffic_of(tmp_path, [syn, plain, *make.handshake(T + 2 * MS, 40002, key=KEY_A)])
    assert (traffic.opened, traffic.mptcp_connections, traffic.fallen_back) == (2, 1, 1)


def test_a_plain_answer_to_a_join_completes_nothing(tmp_path: Path) -> None:
    refused = (T + 2 * MS, make.to_client(80, 50001, make.SYN | make.ACK, src=make.UNIQUE, dst=make.CLIENT_DIRECT))
    packets = [*make.handshake(T, 40001, key=KEY_A), *make.join(T + MS, 50001, KEY_A, completed=False), refused]
    traffic = traffic_of(tmp_path, packets)
    assert (traffic.joined, traffic.fallen_back) == (0, 0)


def test_bytes_without_a_syn_count_for_the_path_and_strangers_for_none(tmp_path: Path) -> None:
    stranger = make.packet("10.9.9.9", make.CLIENT, 80, 40009, make.ACK, payload=11)
    overheard = make.packet("10.9.9.9", "10.8.8.8", 80, 40009, make.ACK, payload=500)
    traffic = traffic_of(tmp_path, [make.data(T, 40001, 100), (T, stranger), (T, overheard)])
    assert (traffic.bytes_via_director, traffic.bytes_past_director, traffic.bytes_unlisted) == (100, 0, 11)
    assert (traffic.opened, traffic.director_bypass_share) == (0, 0.0)


def test_a_packet_before_its_flows_syn_is_not_in_that_flow(tmp_path: Path) -> None:
    packets = [*make.handshake(T, 40001), make.data(T + MS, 40002, 500), *make.handshake(T + 2 * MS, 40002)]
    traffic = traffic_of(tmp_path, packets)
    flows = traffic.flows
    assert flows.has_syn.tolist() == [True, False, True]
    assert flows.listed.tolist() == [True, False, True]
    assert flows.payload_bytes.tolist() == [0, 500, 0]
    assert traffic.bytes_via_director == 500


def test_nothing_captured_is_no_share(tmp_path: Path) -> None:
    traffic = traffic_of(tmp_path, [])
    assert (traffic.opened, traffic.joined, traffic.director_bypass_share) == (0, 0, None)


def test_resets_by_direction(tmp_path: Path) -> None:
    path = make.write_pcap(
        tmp_path / "a.pcap",
        [
            (T, make.to_client(80, 1, make.RST)),
            (T + 1, make.to_server(1, 80, make.RST | make.ACK)),
            (T + 2, make.to_client(80, 1, make.ACK)),
            (T + 3, make.packet("10.9.9.9", "10.8.8.8", 1, 2, make.RST)),
        ],
    )
    packets = read_pcap(path)
    seen, received = resets(packets, find_connections(packets, ADDRESSES).sides)
    assert (seen.tolist(), received.tolist()) == ([T, T + 1], [T])


def test_a_capture_of_linux_joins_every_connection(tmp_path: Path) -> None:
    captures = []
    for name in ("c-eth0", "c-eth1"):
        path = tmp_path / f"{name}.pcap"
        path.write_bytes(gzip.decompress((DATA / f"mptcp-{name}.pcap.gz").read_bytes()))
        captures.append(read_pcap(path))
    traffic = find_connections(merge(captures), ADDRESSES)
    assert (traffic.opened, traffic.mptcp_connections, traffic.joined) == (4, 4, 4)
    assert (traffic.fallen_back, traffic.unmatched_joins, traffic.bytes_unlisted) == (0, 0, 0)
    assert np.all(traffic.connection_bytes >= 1_000_044)  # 1 MB and the 44 bytes of HTTP header
    assert traffic.flows.connection.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_of_an_upload_the_payload_that_the_client_sent_counts(tmp_path: Path) -> None:
    def sent(at_ns: int, port: int, size: int, *, past: bool = False) -> tuple[int, bytes]:
        ends = {"src": make.CLIENT_DIRECT, "dst": make.UNIQUE} if past else {}
        return at_ns, make.to_server(port, 80, make.ACK, payload=size, **ends)

    packets = [
        *make.handshake(T, 40001, key=KEY_A),
        *make.join(T + 5 * MS, 50001, KEY_A),
        make.data(T + 9 * MS, 40001, 7),
        sent(T + 10 * MS, 40001, 100),
        sent(T + 11 * MS, 50001, 300, past=True),
    ]
    read = read_pcap(make.write_pcap(tmp_path / "a.pcap", sorted(packets)))
    traffic = find_connections(read, ADDRESSES, upload=True)
    assert (traffic.bytes_via_director, traffic.bytes_past_director) == (100, 300)
    assert traffic.director_bypass_share == 0.75
    assert traffic.connection_bytes.tolist() == [400]
    downloaded = find_connections(read, ADDRESSES)
    assert (downloaded.bytes_via_director, downloaded.bytes_past_director) == (7, 0)
