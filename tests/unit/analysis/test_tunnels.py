"""TCP packets inside of tunnels are rows, marked; what is not decoded is counted by name."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import replace
from pathlib import Path

import capture_encoder as pack
import frame_encoder as encode
import packet_maker as make
import pytest
import tunnel_encoder as tunnel
from test_tshark_parity import tunnel_of
from tshark import Fields, read_fields

from analysis.pcap import Packets, Skipped, read_pcap
from analysis.pcap.tally import CUT_HEADERS

T = 1_700_000_000 * 10**9
FOUR = encode.Packet(
    ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("10.0.1.1"), sport=4000, dport=80, seq=7, ack=9,
    window=5, ip_id=3, options=(encode.timestamps(1, 2),), payload=100,
)  # fmt: skip
SIX = replace(FOUR, src=ipaddress.IPv6Address("2001:db8::1"), dst=ipaddress.IPv6Address("2001:db8::2"))


def read(tmp_path: Path, frames: list[bytes], **more: int) -> Packets:
    path = tmp_path / "a.pcap"
    path.write_bytes(pack.classic([(T + i, frame) for i, frame in enumerate(frames)], **more))  # type: ignore[arg-type]
    return read_pcap(path)


def check(packets: Packets, inner: encode.Packet, bits: int) -> None:
    """Two rows of the packet, plain and in its tunnel."""
    assert packets.tunnel.tolist() == [0, bits]
    version = inner.src.version
    for name, value in inner.columns.items():
        if name in ("src", "dst"):
            assert [packets.address(int(each), version) for each in getattr(packets, name)] == [str(value)] * 2
        elif name != "vlan":
            assert getattr(packets, name).tolist() == [value] * 2, name
    assert (packets.records, packets.skipped, packets.others, packets.opaque) == (2, Skipped(), {}, {})
    assert packets.warnings == ()


@pytest.mark.parametrize("kind", tunnel.FRAMES)
@pytest.mark.parametrize("inner", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_the_inner_packet_is_a_row_with_the_mark_of_its_tunnel(tmp_path: Path, kind: str, inner: encode.Packet) -> None:
    bits, frame = tunnel.FRAMES[kind]
    packets = read(tmp_path, [inner.frame(1), frame(inner.ip_packet)])
    check(packets, inner, bits)
    assert packets.vlan.tolist() == [0, 5 if kind == "tagged VXLAN" else 0]


@pytest.mark.parametrize("link", [encode.SLL, encode.SLL2, encode.RAW])
def test_tunnels_are_found_in_other_link_layers(tmp_path: Path, link: int) -> None:
    inside = tunnel.ipv4(4, FOUR.ip_packet)
    header = FOUR.frame(link)[: len(FOUR.frame(link)) - len(FOUR.ip_packet)]
    check(read(tmp_path, [FOUR.frame(link), header + inside], link_type=link), FOUR, 1)


UNKNOWN_TO_TSHARK = {
    "GUE", "GUE with data", "direct GUE", "FOU",  # the ports are not its own
    "MPLS in IP", "VXLAN of old",
}  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in tunnel.FRAMES if kind not in UNKNOWN_TO_TSHARK])
def test_tshark_finds_the_same_in_the_tunnel(tmp_path: Path, kind: str) -> None:
    packets = read(tmp_path, [tunnel.FRAMES[kind][1](FOUR.ip_packet)])
    (said,) = read_fields(tmp_path / "a.pcap")
    assert packets.tunnel.tolist() == [tunnel_of(said)]
    # tshark lists the fields of the outer header first.
    assert last(said, "ip.src", "ip.dst", "ip.ttl", "ip.len") == ["10.0.0.1", "10.0.1.1", "64", "152"]
    assert [packets.address(int(packets.src[0])), packets.address(int(packets.dst[0]))] == ["10.0.0.1", "10.0.1.1"]
    assert [packets.ttl[0], packets.ip_bytes[0]] == [64, 152]
    assert last(said, "tcp.srcport", "tcp.seq_raw", "tcp.len", "tcp.hdr_len") == ["4000", "7", "100", "32"]


def last(said: Fields, *names: str) -> list[str]:
    return [said[name][-1] for name in names]


def test_tunnels_in_one_another_have_a_limit(tmp_path: Path) -> None:
    packet = FOUR.ip_packet
    frames = []
    for _ in range(6):
        frames.append(tunnel.ethernet(packet))
        packet = tunnel.ipv4(4, packet)
    packets = read(tmp_path, frames)
    assert packets.frame.tolist() == [1, 2, 3, 4, 5]
    assert (packets.opaque, packets.skipped) == ({"tunnels in too many others": 1}, Skipped(not_tcp=1))


def test_the_first_fragment_of_a_tunnel_has_the_inner_packet(tmp_path: Path) -> None:
    whole = tunnel.ipv4(4, FOUR.ip_packet)
    frames = [tunnel.ethernet(tunnel.ipv4(4, FOUR.ip_packet[:80], fragment=0x2000)),
              tunnel.ethernet(tunnel.ipv4(4, FOUR.ip_packet[80:], fragment=10))]  # fmt: skip
    packets = read(tmp_path, frames)
    assert (packets.payload_bytes.tolist(), packets.ip_bytes.tolist()) == ([100], [len(whole) - 20])
    assert packets.others == {"later fragments of IPIP": 1}


def test_datagrams_that_only_look_like_tunnels_are_none(tmp_path: Path) -> None:
    inner = tunnel.with_checksum(FOUR.ip_packet)
    wrong_sum = inner[:10] + b"\x12\x34" + inner[12:]
    frames = [tunnel.ethernet(tunnel.udp(5555, body)) for body in (wrong_sum, inner + b"\0", b"\x45" * 60)]
    frames.append(tunnel.ethernet(tunnel.udp(4789, bytes(8) + tunnel.ethernet(inner))))  # no flag I
    packets = read(tmp_path, frames)
    assert len(packets) == 0
    assert packets.others == {"UDP port 5555": 3}
    assert packets.opaque == {"UDP port 4789 (VXLAN)": 1}


def test_the_packet_in_an_icmp_error_is_no_packet(tmp_path: Path) -> None:
    packets = read(tmp_path, [tunnel.ethernet(tunnel.ipv4(1, bytes(8) + FOUR.ip_packet))])
    assert (len(packets), packets.others) == (0, {"ICMP": 1})


def test_a_tunnel_whose_inner_header_was_not_captured_is_cut(tmp_path: Path) -> None:
    frames = [tunnel.FRAMES[kind][1](FOUR.ip_packet) for kind in ("IPIP", "GRE", "VXLAN", "Geneve", "GUE")]
    packets = read(tmp_path, frames, snap=60)
    assert (len(packets), packets.others, packets.opaque) == (0, {CUT_HEADERS: 5}, {})
    assert packets.skipped == Skipped(cut=5)
    assert packets.warnings == (
        "a.pcap: of 5 of 5 frames the headers were not captured (the snap length is too short): they are not analysed",
    )


def test_whatever_is_no_tcp_is_counted_by_name(tmp_path: Path) -> None:
    tcp = make.to_client(80, 40001, make.ACK)
    fragment = tcp[:20] + struct.pack(">H", 100) + tcp[22:]
    frames = [
        tcp,
        *[tunnel.ethernet(tunnel.udp(443, bytes(20)))] * 3,
        tunnel.ethernet(tunnel.udp(50000, bytes(20))),
        *[tunnel.ethernet(tunnel.ipv4(50, bytes(40)))] * 12,
        *[tunnel.ethernet(bytes(28), 0x0806)] * 2,
        tunnel.ethernet(tunnel.ipv6(58, bytes(8))),
        tunnel.ethernet(tunnel.ipv6(59, b"")),
        tunnel.ethernet(bytes(46), 0x88B5),
        tunnel.ethernet(bytes(46), 0x88E5),
        tunnel.ethernet(b"\x42\x42\x03" + bytes(43), 38),
        tunnel.ethernet(tunnel.ipv4(47, struct.pack(">HHI", 0x2001, 0x880B, 0) + bytes(20))),
        tunnel.ethernet(tunnel.ipv4(200, bytes(8))),
        tunnel.ethernet(struct.pack(">BBHHH", 0x11, 0, 7, 10, 0xC021) + bytes(8), 0x8864),
        fragment,
        tcp[:30],
        tcp[:40],
        b"",
    ]
    packets = read(tmp_path, frames)
    assert len(packets) == 1
    assert packets.others == {
        "UDP port 443": 3, "UDP of other ports": 1, "ARP": 2, "ICMPv6": 1, "IPv6 without a payload": 1,
        "EtherType 0x88b5": 1, "LLC (such as spanning tree)": 1, "IP protocol 200": 1, "PPP's own protocols": 1,
        "later fragments of TCP packets": 1, "frames whose headers do not fit": 3,
    }  # fmt: skip
    assert packets.opaque == {"IP protocol 50 (ESP)": 12, "MACsec": 1, "GRE of EtherType 0x880b": 1}
    assert packets.skipped == Skipped(not_tcp=28, fragments=1, cut=1)
    assert packets.warnings == ()
