"""Link layers of other systems and of older tools, and the snap lengths that cut them."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import replace
from pathlib import Path

import capture_encoder as pack
import frame_encoder as encode
import pytest
from tshark import read_fields

from analysis.pcap import Option, Packets, Skipped, read_pcap
from analysis.pcap.tally import CUT_HEADERS

T = 1_700_000_000 * 10**9
FOUR = encode.Packet(
    ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("10.0.1.1"), sport=4000, dport=80, seq=7, ack=9, window=5,
    checksum=6, urgent=8, options=(encode.mss(1460), encode.timestamps(1, 2)), payload=100,
)  # fmt: skip
SIX = replace(FOUR, src=ipaddress.IPv6Address("2001:db8::1"), dst=ipaddress.IPv6Address("2001:db8::2"))
MACS = bytes(12)


def family(order: str, number: int) -> bytes:
    return struct.pack(f"{order}I", number)


HEADERS = {  # link type, link header before IPv4, before IPv6
    "NULL of a little-endian BSD": (0, family("<", 2), family("<", 24)),
    "NULL of macOS": (0, family("<", 2), family("<", 30)),
    "NULL of a big-endian FreeBSD": (0, family(">", 2), family(">", 28)),
    "NULL of Linux": (0, family("<", 2), family("<", 10)),
    "LOOP": (108, family(">", 2), family(">", 24)),
    "PPP": (9, b"\0\x21", b"\0\x57"),
    "PPP with address and control": (9, b"\xff\x03\0\x21", b"\xff\x03\0\x57"),
    "PPP with a short protocol": (9, b"\x21", b"\x57"),
    "PPP in HDLC framing": (50, b"\xff\x03\0\x21", b"\xff\x03\0\x57"),
    "Cisco's HDLC as PPP": (50, b"\x0f\0\x08\0", b"\x8f\0\x86\xdd"),
    "Cisco's HDLC": (104, b"\x0f\0\x08\0", b"\x0f\0\x86\xdd"),
    "PPPoE": (51, b"\x11\0\0\7\0\x62\0\x21", b"\x11\0\0\7\0\x62\0\x57"),
    "PPP with a direction": (204, b"\1\xff\x03\0\x21", b"\0\0\x57"),
    "Ethernet with SNAP": (1, MACS + b"\0\x64\xaa\xaa\3\0\0\0\x08\0", MACS + b"\0\x64\xaa\xaa\3\0\0\0\x86\xdd"),
    "Ethernet with three tags": (
        1,
        MACS + bytes.fromhex("88a80003 81000004 81000005 0800"),
        MACS + bytes.fromhex("91000003 81000004 81000005 86dd"),
    ),
    "raw IP of OpenBSD": (14, b"", b""),
    "IPv4 and IPv6 alone": (101, b"", b""),
}


def read(tmp_path: Path, link_type: int, frames: list[bytes], *, snap: int = 262144) -> Packets:
    path = tmp_path / "a.pcap"
    path.write_bytes(pack.classic([(T + i, f) for i, f in enumerate(frames)], link_type=link_type, snap=snap))
    return read_pcap(path)


@pytest.mark.parametrize("name", HEADERS)
def test_link_layers_give_the_same_packets(tmp_path: Path, name: str) -> None:
    link_type, before4, before6 = HEADERS[name]
    packets = read(tmp_path, link_type, [before4 + FOUR.ip_packet, before6 + SIX.ip_packet])
    assert packets.ip_version.tolist() == [4, 6]
    for column, value in FOUR.columns.items():
        if column not in ("src", "dst", "ip_version", "ip_bytes", "vlan"):
            assert getattr(packets, column).tolist() == [value] * 2, column
    assert packets.address(int(packets.src[0])) == "10.0.0.1"
    assert packets.address(int(packets.src[1]), 6) == "2001:db8::1"
    assert packets.vlan.tolist() == [3 if "tags" in name else 0] * 2
    assert packets.tunnel.tolist() == [64 if name == "PPPoE" else 0] * 2
    assert (packets.skipped, packets.warnings) == (Skipped(), ())


UNKNOWN_TO_TSHARK = {"PPP with a short protocol", "NULL of Linux", "raw IP of OpenBSD"}


@pytest.mark.parametrize("name", [name for name in HEADERS if name not in UNKNOWN_TO_TSHARK])
def test_tshark_reads_these_link_layers_alike(tmp_path: Path, name: str) -> None:
    link_type, before4, before6 = HEADERS[name]
    read(tmp_path, link_type, [before4 + FOUR.ip_packet, before6 + SIX.ip_packet])
    said = read_fields(tmp_path / "a.pcap")
    assert [each["tcp.srcport"] for each in said] == [["4000"]] * 2


def test_linux_cooked_names_the_interface_and_what_was_sent(tmp_path: Path) -> None:
    sll2 = struct.pack(">HHIHBB8s", 0x0800, 0, 70000, 1, 4, 6, bytes(8)) + FOUR.ip_packet
    packets = read(tmp_path, 276, [sll2])
    assert (packets.device.tolist(), packets.packet_type.tolist()) == ([70000], [4])
    sll = struct.pack(">HHH8sH", 4, 1, 6, bytes(8), 0x0800) + FOUR.ip_packet
    packets = read(tmp_path, 113, [sll])
    assert (packets.device.tolist(), packets.packet_type.tolist()) == ([0], [4])


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_patched_format_has_longer_records(tmp_path: Path, order: str) -> None:
    frame = FOUR.frame(1)
    record = struct.pack(f"{order}IIIIIHBB", 1_700_000_000, 5, len(frame), len(frame), 2, 0x0800, 0, 0) + frame
    path = tmp_path / "a.pcap"
    path.write_bytes(struct.pack(f"{order}IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 1) + record * 3)
    packets = read_pcap(path)
    assert (packets.sport.tolist(), packets.seq.tolist()) == ([4000] * 3, [7] * 3)
    assert packets.time_ns.tolist() == [T + 5000] * 3


def test_a_frame_check_sequence_is_no_payload(tmp_path: Path) -> None:
    packets = read(tmp_path, 1 | 0x14000000, [FOUR.frame(1) + bytes(4)])  # the upper bits say how long it is
    assert packets.payload_bytes.tolist() == [100]


TAGGED, TAGGED6 = replace(FOUR, vlans=(5,)), replace(SIX, vlans=(5,))


@pytest.mark.parametrize(
    ("packet", "snap", "tcp_bytes"),
    [(FOUR, 60, 26), (FOUR, 54, 20), (FOUR, 52, 18), (FOUR, 50, 16), (FOUR, 48, 14), (SIX, 68, 14), (TAGGED, 68, 30)],
)
def test_a_header_that_was_captured_as_far_as_its_flags_is_a_row(
    tmp_path: Path, packet: encode.Packet, snap: int, tcp_bytes: int
) -> None:
    packets = read(tmp_path, 1, [packet.frame(1)] * 3, snap=snap)
    options = max(tcp_bytes - 20, 0)
    assert packets.seq.tolist() == [7] * 3
    assert (packets.flags[0], packets.payload_bytes[0], packets.header_bytes[0]) == (0x10, 100, 36)
    assert packets.window[0] == (5 if tcp_bytes >= 16 else 0)
    assert packets.checksum[0] == (6 if tcp_bytes >= 18 else 0)
    assert packets.urgent[0] == (8 if tcp_bytes >= 20 else 0)
    assert packets.options.tolist() == [Option.CUT | (Option.MSS if options >= 4 else 0)] * 3
    assert packets.option_bytes[0] == options
    assert packets.warnings == (
        f"a.pcap: of 3 of 3 TCP packets the options were not captured whole: {3 * (16 - options)} bytes are missing "
        "(the snap length is too short), and what they said of MPTCP",
    )


@pytest.mark.parametrize(
    ("packet", "snap"), [(FOUR, 47), (FOUR, 40), (FOUR, 33), (FOUR, 13), (SIX, 54), (TAGGED6, 68), (TAGGED, 16)]
)
def test_a_header_that_was_cut_before_its_flags_is_counted_and_said(
    tmp_path: Path, packet: encode.Packet, snap: int
) -> None:
    packets = read(tmp_path, 1, [packet.frame(1)] * 3, snap=snap)
    assert (len(packets), packets.skipped, packets.others) == (0, Skipped(cut=3), {CUT_HEADERS: 3})
    assert packets.warnings == (
        "a.pcap: of 3 of 3 frames the headers were not captured (the snap length is too short): they are not analysed",
    )


def test_a_snap_length_that_leaves_all_headers_is_no_loss(tmp_path: Path) -> None:
    packets = read(tmp_path, 1, [FOUR.frame(1)], snap=14 + 20 + 36)
    assert packets.warnings == ()


def test_an_interface_without_packets_is_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    start = pack.section() + pack.interface(resolution=9) + pack.interface(link_type=220)
    path.write_bytes(start + pack.enhanced("<", 0, T, FOUR.frame(1)))
    packets = read_pcap(path)
    assert (packets.sport.tolist(), packets.warnings, packets.opaque) == ([4000], (), {})


def test_packets_of_an_undecoded_link_type_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    start = pack.section() + pack.interface(resolution=9) + pack.interface(link_type=127) * 2
    radio = [pack.enhanced("<", number, T // 1000, bytes(60)) for number in (1, 1, 2)]
    path.write_bytes(start + pack.enhanced("<", 0, T, FOUR.frame(1)) + b"".join(radio))
    packets = read_pcap(path)
    assert packets.sport.tolist() == [4000]
    assert packets.warnings == ("a.pcapng: 3 frames of link type 127 (802.11 with radiotap) are not decoded",)
    assert packets.opaque == {"link type 127 (802.11 with radiotap)": 3}
