from __future__ import annotations

import gzip
import ipaddress
import random
import struct
from pathlib import Path

import frame_encoder as encode
import numpy as np
import packet_maker as make
import pytest

from analysis.flows.mptcp_options import MpCapable, MpJoin, parse_handshake_options, token_of_key
from analysis.pcap import COLUMNS, Option, Packets, Skipped, concatenate, iter_packets, merge, read_pcap
from testbed.base.errors import AnalysisError

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
        return encode.Packet(SIX, SIX, sport=80, payload=40, ipv6_extensions=(header,)).frame(1)

    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", [(T, fragment(0)), (T + 1, fragment(5))]))
    assert (packets.sport.tolist(), packets.payload_bytes.tolist()) == ([80], [40])
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


@pytest.mark.parametrize("missing", [1, 60, 100, 129])
def test_a_truncated_last_record_leaves_the_others_and_a_warning_with_its_offset(tmp_path: Path, missing: int) -> None:
    frames = [(T + i, make.to_client(80, 40001, make.ACK, payload=1000)) for i in range(3)]
    path = make.write_pcap(tmp_path / "a.pcap", frames)
    path.write_bytes(path.read_bytes()[:-missing])
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T, T + 1]
    last = 24 + 2 * (16 + 128)
    assert packets.warnings == (f"a.pcap: truncated record at byte {last}: {144 - missing} bytes are not read",)


@pytest.mark.parametrize(("rest", "what"), [(b"\xff" * 500, "garbage"), (bytes(4096), "zeros")])
def test_garbage_after_some_packets_stops_there_with_a_warning(tmp_path: Path, rest: bytes, what: str) -> None:
    path = make.write_pcap(tmp_path / "a.pcap", [(T, make.to_client(80, 40001, make.ACK))])
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + rest)
    packets = read_pcap(path)
    assert len(packets) == 1
    assert packets.warnings == (f"a.pcap: {what} at byte {size}: the rest of the file is not read",)


FRAME = make.to_client(80, 40001, make.ACK)
NG = encode.section() + encode.interface(name="eth0", resolution=9)


@pytest.mark.parametrize(
    "bad",
    [
        encode.enhanced("<", 1, T, FRAME),  # an interface that is not described
        encode.enhanced("<", 0, T, FRAME)[:-4] + b"\0\0\0\0",  # its lengths differ
        encode.block("<", 6, struct.pack("<IIIII", 0, 0, 0, 999, 999)),  # more captured than the block holds
        encode.section()[:8] + bytes(20),  # a section without a byte order
        struct.pack("<II", 6, 1 << 30) + bytes(40),
    ],
)
def test_a_block_that_contradicts_itself_stops_there_with_a_warning(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "a.pcapng"
    good = NG + encode.enhanced("<", 0, T, FRAME)
    path.write_bytes(good + bad + encode.enhanced("<", 0, T, FRAME))
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T]
    assert packets.warnings == (f"a.pcapng: garbage at byte {len(good)}: the rest of the file is not read",)


@pytest.mark.parametrize("missing", [1, 20, 60, 85])
def test_a_truncated_last_block_leaves_the_others(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "a.pcapng"
    good = NG + encode.enhanced("<", 0, T, FRAME)
    last = encode.enhanced("<", 0, T + 1, FRAME)
    path.write_bytes((good + last)[:-missing])
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T]
    left = len(last) - missing
    assert packets.warnings == (f"a.pcapng: truncated record at byte {len(good)}: {left} bytes are not read",)


def test_a_pcapng_says_what_it_lost_and_what_cannot_be_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    other = encode.interface(link_type=147)
    blocks = [encode.enhanced("<", 0, T, FRAME), encode.enhanced("<", 1, 0, FRAME), encode.statistics("<", 0, 12)]
    path.write_bytes(NG + other + b"".join(blocks))
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T]
    assert (packets.records, packets.skipped.not_tcp) == (2, 1)
    assert packets.warnings == (
        "a.pcapng: the capture lost 12 packets on interface eth0",
        "a.pcapng: 1 frames of link type 147 are not decoded",
    )


def test_packets_of_simple_blocks_have_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(encode.section() + encode.interface(snap=54) + encode.simple("<", FRAME + bytes(99), snap=54))
    packets = read_pcap(path)
    assert (packets.time_ns.tolist(), packets.sport.tolist()) == ([0], [80])
    assert packets.warnings == ("a.pcapng: 1 packets have no time (Simple Packet Blocks)",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the capture is empty"),
        (b"This is a text file, quite long enough.", "not a pcap or pcapng file"),
        (make.pcap_bytes([])[:20], "not a pcap or pcapng file"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "not a pcap or pcapng file"),
        (gzip.compress(b"This is a text file."), "what it holds is not a pcap or pcapng file"),
        (b"PK\x03\x04" + bytes(40), "not a pcap or pcapng file (unpack it first: zip)"),
        (gzip.compress(make.pcap_bytes([]))[:8], "the compressed file is cut short: nothing can be read of it"),
        (make.pcap_bytes([], link=147), "frames of link type 147 are not decoded"),
    ],
)
def test_what_is_no_capture_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    with pytest.raises(AnalysisError) as caught:
        read_pcap(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_capture_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="No such file"):
        read_pcap(tmp_path / "a.pcap")


def test_a_capture_without_packets_is_whole(tmp_path: Path) -> None:
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", []))
    assert (len(packets), packets.records, packets.warnings) == (0, 0, ())
    assert len(merge([packets, packets])) == 0


def expect_same(one: Packets, other: Packets) -> None:
    for left, right in zip((one, *one.tables.values()), (other, *other.tables.values()), strict=True):
        for name in left.types():
            assert np.array_equal(getattr(left, name), getattr(right, name)), name


@pytest.mark.parametrize("chunk", [16, 100, 144, 1000])
def test_chunks_may_end_anywhere(tmp_path: Path, chunk: int) -> None:
    frames = []
    for i in range(40):
        frames += [
            (T + 2 * i, make.to_client(80, 40000 + i, make.ACK, payload=i * 100, seq=i)),
            (T + 2 * i + 1, make.to_server(40000 + i, 80, make.SYN, seq=i, options=make.mp_capable())),
        ]
    path = make.write_pcap(tmp_path / "a.pcap", frames)
    whole = read_pcap(path)
    chunks = list(iter_packets(path, chunk_bytes=chunk))
    assert len(chunks) > 5
    assert max(map(len, chunks)) <= 2 + 2 * chunk // 70
    assert len(whole) == 80
    expect_same(whole, concatenate(chunks))
    assert whole.mp_capable.packet.tolist() == [2 * i + 1 for i in range(40)]
    assert concatenate(chunks).warnings == ()
    at = int(whole.option_offset[41])
    assert path.read_bytes()[at : at + 4] == make.mp_capable()


def test_options_of_which_no_two_agree_are_decoded_like_others(tmp_path: Path) -> None:
    # In one chunk there are far more layouts than are looked for; in chunks of ten packets there are not.
    chance = random.Random(7)
    mptcp = [
        encode.mp_tcprst(flags=0, reason=3),
        encode.mp_fail(5),
        encode.mp_prio(backup=True),
        encode.dss(ack=(4, 9)),
    ]
    frames = []
    for i in range(1500):
        noise = [
            encode.unknown(chance.choice((19, 28, 34, 253)), chance.randbytes(chance.randint(0, 4))) for _ in range(5)
        ]
        wanted = chance.sample([*noise, encode.mss(1000 + i), chance.choice(mptcp)], 4)
        wanted += [encode.nop()] * (40 - sum(len(option.raw) for option in wanted))
        frames.append((T + i, encode.Packet(FOUR, FOUR, options=tuple(wanted)).frame(1)))
    path = tmp_path / "a.pcap"
    path.write_bytes(encode.classic(frames))
    whole = read_pcap(path)
    assert len(whole) == 1500
    expect_same(whole, concatenate(list(iter_packets(path, chunk_bytes=1000))))
    mss = [1000 + i for i in range(1500) if whole.options[i] & Option.MSS]
    assert whole.handshake.mss.tolist() == mss
    assert len(mss) > 500


def test_a_record_may_be_larger_than_a_chunk(tmp_path: Path) -> None:
    frames = [(T + i, make.to_client(80, i, make.ACK, payload=5000)) for i in range(3)]
    path = make.write_pcap(tmp_path / "a.pcap", frames, snap=65535)
    assert read_pcap(path, chunk_bytes=1000).dport.tolist() == [0, 1, 2]


def test_records_of_many_hours_are_followed(tmp_path: Path) -> None:
    hours = [(T + i * 3600 * 10**9, make.to_client(80, i, make.ACK)) for i in range(100)]
    assert read_pcap(make.write_pcap(tmp_path / "a.pcap", hours)).dport.tolist() == list(range(100))


def test_payload_that_looks_like_records_misleads_nobody(tmp_path: Path) -> None:
    decoy = make.pcap_bytes([(T, make.to_client(9, 9, make.RST))])[24:]
    body = make.to_client(80, 1, make.ACK) + decoy * 20
    frames = [(T + i, body) for i in range(5)]
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", frames, snap=65535))
    assert (packets.records, packets.sport.tolist()) == (5, [80] * 5)


def test_merging_orders_by_time_and_moves_the_options_along(tmp_path: Path) -> None:
    addr = encode.add_addr(echo=True, address_id=1, address=ipaddress.IPv6Address("fe80::9"))
    first = [
        (T + 5, make.to_server(1, 80, make.SYN, options=make.mp_capable())),
        (T + 9, encode.Packet(SIX, ipaddress.IPv6Address("fe80::2"), options=(addr,)).frame(1)),
    ]
    second = [
        (T + 1, make.to_server(2, 80, make.ACK)),
        (T + 6, encode.Packet(ipaddress.IPv6Address("fe80::9"), SIX, options=(encode.mss(9),)).frame(1)),
    ]
    both = merge([read_pcap(make.write_pcap(tmp_path / name, each)) for name, each in (("a", first), ("b", second))])
    assert both.time_ns.tolist() == [T + 1, T + 5, T + 6, T + 9]
    assert both.interface.tolist() == [1, 0, 1, 0]
    assert [each.file for each in both.interfaces] == ["a", "b"]
    assert (both.mp_capable.packet.tolist(), both.handshake.packet.tolist()) == ([1], [2])
    assert [both.address(int(both.src[row]), 6) for row in (2, 3)] == ["fe80::9", "2001:db8::1"]
    assert both.add_addr.address[0] == both.src[2]
    assert both.records == 4


def test_a_selection_keeps_the_options_of_its_packets(tmp_path: Path) -> None:
    frames = [(T + i, make.to_client(80, i, make.ACK, options=encode.dss(ack=(4, i)).raw)) for i in range(6)]
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", frames))
    chosen = packets.select(np.array([1, 4]))
    assert chosen.dport.tolist() == [1, 4]
    assert (chosen.dss.packet.tolist(), chosen.dss.data_ack.tolist()) == ([0, 1], [1, 4])
    assert chosen.dss.first("data_ack", np.array([1, 0])).tolist() == [4, 1]
    assert chosen.mp_join.first("token", np.array([0, 1])).tolist() == [0, 0]


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
