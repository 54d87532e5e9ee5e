from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import packet_maker as make
import pytest

from analysis import pcap
from analysis.errors import AnalysisError
from analysis.mptcp_options import MpCapable, MpJoin, parse_handshake_options, token_of_key
from analysis.pcap import merge, read_pcap

DATA = Path(__file__).with_name("data")
T = 1_700_000_000 * 10**9


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [True, False])
def test_every_field_of_a_packet_is_decoded_in_both_byte_orders_and_resolutions(
    tmp_path: Path, order: str, nano: bool
) -> None:
    frame = make.packet(
        "10.0.1.80", "10.0.1.2", 80, 40001, make.ACK | make.PSH,
        seq=0xFEDCBA98, ack=0x12345678, window=65535, options=make.TIMESTAMPS, payload=1448,
    )  # fmt: skip
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T + 123_456_789, frame)], order=order, nano=nano))
    assert len(packets) == 1
    assert packets.time_ns[0] == T + (123_456_789 if nano else 123_456_000)
    assert packets.src[0] == 0x0A000150
    assert packets.dst[0] == 0x0A000102
    assert (packets.sport[0], packets.dport[0]) == (80, 40001)
    assert (packets.seq[0], packets.ack[0]) == (0xFEDCBA98, 0x12345678)
    assert (packets.flags[0], packets.window[0]) == (0x18, 65535)
    assert (packets.payload_bytes[0], packets.ip_bytes[0]) == (1448, 1500)
    assert (packets.option_offset[0], packets.option_bytes[0]) == (24 + 16 + 14 + 20 + 20, 12)
    assert packets.warnings == ()
    assert {name: packets.__dict__[name].dtype for name in pcap.COLUMNS} == pcap.COLUMNS


def test_a_burst_counts_by_its_ip_length_not_by_what_was_captured(tmp_path: Path) -> None:
    frame = make.to_client(80, 40001, make.ACK, options=make.TIMESTAMPS, payload=60_000 - 52)
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, frame)], snap=128))
    assert (packets.ip_bytes[0], packets.payload_bytes[0]) == (60_000, 60_000 - 52)


def test_a_burst_without_an_ip_length_counts_by_its_original_length(tmp_path: Path) -> None:
    frame = make.to_client(80, 40001, make.ACK, payload=70_000, total_length=0)
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, frame)]))
    assert packets.payload_bytes[0] == 70_000


def test_ethernet_padding_is_no_payload(tmp_path: Path) -> None:
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, make.to_client(80, 1, make.ACK) + bytes(6))]))
    assert packets.payload_bytes[0] == 0


def test_ip_options_move_the_tcp_header(tmp_path: Path) -> None:
    frame = make.packet("10.0.1.80", "10.0.1.2", 80, 40001, make.ACK, payload=5, ip_options=bytes([1] * 8))
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, frame)]))
    assert (packets.sport[0], packets.dport[0], packets.payload_bytes[0]) == (80, 40001, 5)


def test_what_is_not_tcp_over_ipv4_is_counted_and_left_out(tmp_path: Path) -> None:
    tcp = make.to_client(80, 40001, make.ACK)
    udp = tcp[:23] + b"\x11" + tcp[24:]
    fragment = tcp[:20] + struct.pack(">H", 100) + tcp[22:]
    ipv6 = bytes(12) + b"\x86\xdd" + bytes(60)
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    frames = [tcp, udp, ipv6, fragment, arp, tcp[:40], b"", ipv6, tcp]
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T + i, frame) for i, frame in enumerate(frames)]))
    assert packets.time_ns.tolist() == [T, T + 8]
    assert (packets.records, packets.skipped_ipv6, packets.skipped_other) == (9, 2, 5)
    assert packets.warnings == ()


@pytest.mark.parametrize("missing", [1, 60, 100, 129])
def test_a_truncated_last_record_leaves_the_others_and_a_warning_with_its_offset(tmp_path: Path, missing: int) -> None:
    frames = [(T + i, make.to_client(80, 40001, make.ACK, payload=1000)) for i in range(3)]
    path = make.write_pcap(tmp_path / "a.pcap", frames)
    path.write_bytes(path.read_bytes()[:-missing])
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T, T + 1]
    last = 24 + 2 * (16 + 128)
    assert packets.warnings == (f"a.pcap: truncated record at byte {last}: {144 - missing} bytes are not read",)


def test_garbage_after_some_packets_stops_there_with_a_warning(tmp_path: Path) -> None:
    path = make.write_pcap(tmp_path / "a.pcap", [(T, make.to_client(80, 40001, make.ACK))])
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\xff" * 500)
    packets = read_pcap(path)
    assert len(packets) == 1
    assert packets.warnings == (f"a.pcap: garbage at byte {size}: the rest of the file is not read",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the capture is empty"),
        (b"This is a text file, quite long enough.", "not a pcap file"),
        (make.pcap_bytes([])[:20], "not a pcap file"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "this is pcapng, not classic pcap"),
        (make.pcap_bytes([], link=113), "link type 113 is not Ethernet"),
    ],
)
def test_what_is_no_capture_of_ours_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    with pytest.raises(AnalysisError) as caught:
        read_pcap(path)
    assert message in caught.value.message
    assert "\n" not in str(caught.value)


def test_an_absent_capture_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="No such file"):
        read_pcap(tmp_path / "a.pcap")


def test_a_capture_without_packets_is_whole(tmp_path: Path) -> None:
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", []))
    assert (len(packets), packets.records, packets.warnings) == (0, 0, ())
    assert len(merge([packets, packets])) == 0


@pytest.mark.parametrize("chunk", [16, 100, 144, 1000])
def test_chunks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    frames = []
    for i in range(40):
        frames += [
            (T + 2 * i, make.to_client(80, 40000 + i, make.ACK, payload=i * 100, seq=i)),
            (T + 2 * i + 1, make.to_server(40000 + i, 80, make.SYN, seq=i, options=make.mp_capable())),
        ]
    path = make.write_pcap(tmp_path / "a.pcap", frames)
    whole = read_pcap(path)
    monkeypatch.setattr(pcap, "_CHUNK_BYTES", chunk)
    parts = read_pcap(path)
    assert len(whole) == 80
    for name in pcap.COLUMNS:
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert whole.syn_options == parts.syn_options == {2 * i + 1: make.mp_capable() for i in range(40)}
    assert parts.warnings == ()
    content = path.read_bytes()
    at = int(parts.option_offset[41])
    assert content[at : at + 4] == make.mp_capable()


def test_merging_orders_by_time_and_moves_the_options_along(tmp_path: Path) -> None:
    first = read_pcap(
        make.write_pcap(
            tmp_path / "a.pcap",
            [
                (T + 5, make.to_server(1, 80, make.SYN, options=make.mp_capable())),
                (T + 9, make.to_server(1, 80, make.ACK)),
            ],
        )
    )
    second = read_pcap(
        make.write_pcap(
            tmp_path / "b.pcap",
            [(T + 1, make.to_server(2, 80, make.ACK)), (T + 6, make.to_server(2, 80, make.SYN, options=make.MSS))],
        )
    )
    both = merge([first, second])
    assert both.time_ns.tolist() == [T + 1, T + 5, T + 6, T + 9]
    assert both.sport.tolist() == [2, 1, 2, 1]
    assert both.syn_options == {1: make.mp_capable(), 2: make.MSS}
    assert both.records == 4


def test_handshake_options() -> None:
    key = bytes(range(8))
    assert parse_handshake_options(make.MSS + make.mp_capable()).mp_capable == MpCapable(1, 0x01, None)
    found = parse_handshake_options(make.TIMESTAMPS + make.mp_capable(key, flags=0x21))
    assert found.mp_capable == MpCapable(1, 0x21, key)
    assert found.mp_join is None
    assert parse_handshake_options(make.mp_join_syn(0xA1BBDC56, address_id=3)).mp_join == MpJoin(False, 3, 0xA1BBDC56)
    assert parse_handshake_options(make.mp_join_syn_ack()).mp_join == MpJoin(False, 1, None)


@pytest.mark.parametrize(
    "raw", [b"", b"\x00" + make.mp_capable(), b"\x02\x00", b"\x02\x01\x01", b"\x1e", b"\x1e\x0c\x10"]
)
def test_malformed_options_end_the_walk(raw: bytes) -> None:
    found = parse_handshake_options(raw)
    assert found.mp_capable is None
    assert found.mp_join is None


def test_a_capture_of_linux_decodes_like_tcpdump_shows_it(tmp_path: Path) -> None:
    # Recorded with tcpdump between two network namespaces: 4 MPTCP downloads of 1 MB, one join each. The
    # expected values are tcpdump's own reading of the file.
    path = tmp_path / "c-eth0.pcap"
    path.write_bytes(gzip.decompress((DATA / "mptcp-c-eth0.pcap.gz").read_bytes()))
    packets = read_pcap(path)
    assert (packets.records, len(packets), packets.skipped_ipv6, packets.skipped_other) == (264, 255, 7, 2)
    assert (packets.sport[0], packets.dport[0], packets.flags[0]) == (60430, 80, make.SYN)
    assert (packets.seq[0], packets.window[0], packets.payload_bytes[0]) == (745392513, 64240, 0)
    assert (packets.seq[1], packets.ack[1], packets.flags[1]) == (3296869477, 745392514, make.SYN | make.ACK)
    answer = parse_handshake_options(packets.syn_options[1]).mp_capable
    assert answer == MpCapable(1, 0x21, bytes.fromhex("44a85c172f1caaea"))
    assert token_of_key(bytes.fromhex("44a85c172f1caaea")) == 0xA1BBDC56  # the token of the first join on c-eth1
