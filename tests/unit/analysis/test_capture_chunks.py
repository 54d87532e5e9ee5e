"""Captures in chunks, merged and in part: the packets are the same, and keep their options."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path

import capture_encoder as pack
import frame_encoder as encode
import numpy as np
import packet_maker as make
import pytest

from analysis.pcap import Option, Packets, concatenate, iter_packets, merge, read_pcap

T = 1_700_000_000 * 10**9
FOUR, SIX = ipaddress.IPv4Address("10.0.1.80"), ipaddress.IPv6Address("2001:db8::1")


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
    path.write_bytes(pack.classic(frames))
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
