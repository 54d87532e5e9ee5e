from __future__ import annotations

import gzip
import ipaddress
import struct
from pathlib import Path

import frame_encoder as encode
import packet_maker as make
import pytest

from analysis.flows.mptcp_options import MpCapable, MpJoin, parse_handshake_options, token_of_key
from analysis.pcap import COLUMNS, Option, Skipped, read_pcap

DATA = Path(__file__).with_name("data")
T = 1_700_000_000 * 10**9
FOUR, SIX = ipaddress.IPv4Address("10.0.1.80"), ipaddress.IPv6Address("2001:db8::1")


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
    assert (packets.frame[0], packets.record_offset[0], packets.header_bytes[0]) == (1, 24, 32)
    assert (packets.ip_version[0], packets.ttl[0], packets.ip_id[0]) == (4, 64, 7)
    assert {name: getattr(packets, name).dtype for name in COLUMNS} == {n: kind.dtype for n, kind in COLUMNS.items()}


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


def test_what_is_no_tcp_segment_is_counted_and_left_out(tmp_path: Path) -> None:
    tcp = make.to_client(80, 40001, make.ACK)
    udp = tcp[:23] + b"\x11" + tcp[24:]
    fragment = tcp[:20] + struct.pack(">H", 100) + tcp[22:]
    first_fragment = tcp[:20] + struct.pack(">H", 0x2000) + tcp[22:]
    ipv6_udp = bytes(12) + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, 40, 17, 64) + bytes(72)
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    frames = [tcp, udp, ipv6_udp, fragment, arp, tcp[:40], b"", first_fragment, tcp]
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T + i, frame) for i, frame in enumerate(frames)]))
    assert packets.time_ns.tolist() == [T, T + 7, T + 8]
    assert packets.frame.tolist() == [1, 8, 9]
    assert (packets.records, packets.skipped) == (9, Skipped(not_tcp=4, fragments=1, cut=1))
    assert packets.warnings == ()


def test_the_fragment_of_an_ipv6_packet_that_has_the_header_is_a_row(tmp_path: Path) -> None:
    def fragment(offset: int) -> bytes:
        header = (44, bytes([0]) + struct.pack(">HI", offset << 3 | 1, 7))
        return encode.Packet(SIX, SIX, sport=80, payload=44, ipv6_extensions=(header,)).frame(1)

    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, fragment(0)), (T + 1, fragment(8))]))
    assert (packets.sport.tolist(), packets.payload_bytes.tolist()) == ([80], [44 + 64])
    assert packets.skipped == Skipped(fragments=1)


def test_an_ipv6_burst_without_a_length_counts_by_its_original_length(tmp_path: Path) -> None:
    frame = encode.Packet(SIX, SIX, payload=1000).frame(1)
    frame = frame[:18] + bytes(2) + frame[20:] + bytes(70_000)
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, frame)]))
    assert packets.payload_bytes.tolist() == [71_000]


def test_options_that_were_not_captured_are_marked_and_those_before_them_decoded(tmp_path: Path) -> None:
    options = (encode.timestamps(7, 8), encode.nop(), encode.nop(), encode.dss(ack=(8, 1), mapping=(8, 2, 3, 4)))
    frame = encode.Packet(FOUR, FOUR, options=options, payload=100).frame(1)
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, frame)], snap=80))
    assert packets.options.tolist() == [Option.TIMESTAMPS | Option.CUT]
    assert (packets.ts_value.tolist(), packets.option_bytes.tolist(), len(packets.dss)) == ([7], [26], 0)
    assert (packets.payload_bytes.tolist(), packets.header_bytes.tolist()) == ([100], [60])


@pytest.mark.parametrize("raw", [b"\x02\x00\x00\x00", b"\x02\x01\x00\x00", b"\x01\x01\x01\x1e", b"\x1e\x0c\x10\x00"])
def test_malformed_options_are_marked(tmp_path: Path, raw: bytes) -> None:
    frame = make.to_client(80, 1, make.SYN, options=make.MSS + raw)
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, frame)]))
    assert packets.options.tolist() == [Option.MSS | Option.MALFORMED]
    assert packets.handshake.mss.tolist() == [1460]


@pytest.mark.parametrize(("offset", "payload"), [(4, 0), (15, 0)])
def test_a_header_length_that_cannot_be_is_marked(tmp_path: Path, offset: int, payload: int) -> None:
    frame = bytearray(make.to_client(80, 1, make.ACK, payload=payload))
    frame[46] = offset << 4
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, bytes(frame))]))
    assert packets.options.tolist() == [Option.MALFORMED]
    assert (packets.header_bytes.tolist(), packets.payload_bytes.tolist()) == ([offset * 4], [0])


@pytest.mark.parametrize(
    ("option", "length"),
    [(encode.mp_capable(version=1, flags=1, keys=(1,)), 13), (encode.dss(ack=(8, 1)), 10), (encode.mp_fail(1), 11)],
)
def test_an_mptcp_option_of_no_known_length_is_kept_apart(tmp_path: Path, option: encode.Opt, length: int) -> None:
    raw = bytes([30, length]) + (option.raw[2:] + bytes(8))[: length - 2]
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, make.to_client(80, 1, make.ACK, options=raw))]))
    assert packets.options.tolist() == [Option.OTHER_MPTCP]
    assert (packets.other_mptcp.length.tolist(), packets.other_mptcp.subtype.tolist()) == ([length], [raw[2] >> 4])


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
    assert (packets.records, len(packets), packets.skipped) == (264, 255, Skipped(not_tcp=9))
    assert (packets.sport[0], packets.dport[0], packets.flags[0]) == (60430, 80, make.SYN)
    assert (packets.seq[0], packets.window[0], packets.payload_bytes[0]) == (745392513, 64240, 0)
    assert (packets.seq[1], packets.ack[1], packets.flags[1]) == (3296869477, 745392514, make.SYN | make.ACK)
    row = packets.mp_capable.packet.tolist().index(1)
    assert (packets.mp_capable.version[row], packets.mp_capable.flags[row]) == (1, 0x21)
    assert packets.mp_capable.sender_key[row] == 0x44A85C172F1CAAEA
    assert token_of_key(bytes.fromhex("44a85c172f1caaea")) == 0xA1BBDC56  # the token of the first join on c-eth1
