"""TCP segments in several IP fragments: their payload counts whole, with the first of them."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

import capture_encoder as pack
import frame_encoder as encode
import packet_maker as make
import pytest
from download_maker import ANSWER, END, ISN, LAST_SEQ, MS, PORT, Frames, analysed, download, rows, some

from analysis.pcap import Option, Packets, Skipped, read_pcap
from analysis.pcap.tally import LATER_FRAGMENTS

T = 1_700_000_000 * 10**9
S = 10**9
SIX = ipaddress.IPv6Address("2001:db8::1")


def split(frame: bytes, *at: int, ident: int = 7, ttl: int = 64) -> list[bytes]:
    """An IPv4 packet on Ethernet in fragments: `at` are the places (multiples of 8) where the body is split."""
    body, found = frame[34:], []
    for begin, end in zip((0, *at), (*at, len(body)), strict=True):
        part = (0 if end == len(body) else 0x2000) | begin // 8
        head = frame[14:16] + struct.pack(">HHHB", 20 + end - begin, ident, part, ttl) + frame[23:34]
        found.append(frame[:14] + head + body[begin:end])
    return found


def segment(payload: int = 1000, seq: int = 0) -> bytes:
    return make.to_client(80, 4000, make.ACK, seq=seq, payload=payload)


def read(folder: Path, frames: list[bytes], *, step_ns: int = 1000, snap: int = 2000) -> Packets:
    """The packets of frames a microsecond apart, which do not depend on the chunks in which they are read."""
    timed = [(T + number * step_ns, frame) for number, frame in enumerate(frames)]
    path = make.write_pcap(folder / "a.pcap", timed, snap=snap)
    found = read_pcap(path)
    for chunk_bytes in (100, 1000):
        again = read_pcap(path, chunk_bytes=chunk_bytes)
        for name in ("frame", "payload_bytes", "captured_bytes", "options", "ip_bytes"):
            assert getattr(again, name).tolist() == getattr(found, name).tolist()
    assert len(found.fragments) == 0
    return found


def payloads(found: Packets) -> list[tuple[int, int]]:
    return list(zip(found.payload_bytes.tolist(), found.captured_bytes.tolist(), strict=True))


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 0, 2)])
def test_fragments_count_with_the_first_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    parts = split(segment(), 504, 808)
    found = read(tmp_path, [segment(10), *(parts[number] for number in order), segment(20)])
    assert payloads(found) == [(10, 10), (1000, 1000), (20, 20)]
    assert found.ip_bytes.tolist() == [50, 524, 60]
    assert found.options.tolist() == [0, Option.FRAGMENTED, 0]
    assert (found.skipped, found.others) == (Skipped(fragments=2), {LATER_FRAGMENTS: 2})


def test_datagrams_of_one_identification_are_told_apart(tmp_path: Path) -> None:
    sizes = [1000, 700, 1400, 600]
    in_order = [part for size in sizes for part in split(segment(size), 504)]
    assert payloads(read(tmp_path, in_order)) == [(size, size) for size in sizes]
    backwards = [part for size, ident in zip(sizes, (7, 8, 7, 9), strict=True)
                 for part in reversed(split(segment(size), 504, ident=ident))]  # fmt: skip
    assert payloads(read(tmp_path, backwards)) == [(size, size) for size in sizes]


def test_other_datagrams_between_them_do_not_matter(tmp_path: Path) -> None:
    one, other = split(segment(1000), 504, ident=7), split(segment(700), 504, ident=8)
    same = split(make.to_client(80, 4000, make.ACK, src=make.UNIQUE, payload=600), 504, ident=7)
    found = read(tmp_path, [one[0], other[0], same[0], other[1], same[1], one[1]])
    assert payloads(found) == [(1000, 1000), (700, 700), (600, 600)]


def test_what_is_not_there_is_not_counted(tmp_path: Path) -> None:
    parts = split(segment(), 504, 808)
    assert payloads(read(tmp_path, [parts[0]])) == [(484, 484)]
    assert payloads(read(tmp_path, parts[:2])) == [(788, 788)]
    # The last one says how long it was.
    assert payloads(read(tmp_path, [parts[0], parts[2]])) == [(1000, 484 + 1000 - 788)]
    assert payloads(read(tmp_path, parts[1:])) == []
    late = read(tmp_path, parts[:2], step_ns=61 * S)
    assert payloads(late) == [(484, 484)]


def test_a_part_that_comes_twice_counts_once(tmp_path: Path) -> None:
    parts = split(segment(), 504, 808)
    assert payloads(read(tmp_path, [parts[0], parts[1], parts[1], parts[2], parts[2]])) == [(1000, 1000)]


def test_the_copies_of_a_datagram_are_whole_each(tmp_path: Path) -> None:
    near, far = split(segment(), 504), split(segment(), 504, ttl=63)
    whole = [(1000, 1000)] * 2
    assert payloads(read(tmp_path, [near[0], far[0], near[1], far[1]])) == whole
    assert payloads(read(tmp_path, [near[0], near[0], near[1], near[1]])) == whole
    assert payloads(read(tmp_path, [near[0], near[1], near[0], near[1]])) == whole


def test_first_fragments_of_other_lengths_are_no_copies_though_their_identification_is_the_same(tmp_path: Path) -> None:
    short, long = split(segment(), 504)[0], split(segment(), 808)[0]
    assert payloads(read(tmp_path, [short, long, short])) == [(484, 484), (788, 788), (484, 484)]


def test_interfaces_have_fragments_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    parts = split(segment(), 504)
    blocks = [pack.enhanced("<", *each) for each in ((0, 1, parts[0]), (1, 2, parts[0]), (1, 3, parts[1]))]
    path.write_bytes(pack.section() + pack.interface() * 2 + b"".join(blocks))
    assert read_pcap(path).payload_bytes.tolist() == [484, 1000]


def test_a_snap_length_cuts_each_fragment(tmp_path: Path) -> None:
    assert payloads(read(tmp_path, split(segment(), 504, 808), snap=134)) == [(1000, 80 + 100 + 100)]


def test_options_that_a_fragment_cuts_take_no_payload(tmp_path: Path) -> None:
    frame = make.to_client(80, 4000, make.ACK, options=make.TIMESTAMPS, payload=100)
    assert read(tmp_path, split(frame, 24)).payload_bytes.tolist() == [100]


@pytest.mark.parametrize("inside", [b"", bytes([6, 1, 1, 12]) + bytes(12)])
def test_fragments_of_ipv6(tmp_path: Path, inside: bytes) -> None:
    # What is fragmented may begin with destination options, which later fragments name as their protocol, too.
    kind = 60 if inside else 6
    body = inside + encode.Packet(SIX, SIX, sport=80, payload=1000).ip_packet[40:]
    frames = []
    for ident in (1 << 31 | 5, 9):
        for begin, end in ((0, 504), (504, len(body))):
            header = struct.pack(">BBHI", kind, 0, begin | (end < len(body)), ident)
            start = struct.pack(">IHBB", 6 << 28, 8 + end - begin, 44, 64) + SIX.packed * 2
            frames.append(bytes(12) + b"\x86\xdd" + start + header + body[begin:end])
    found = read(tmp_path, [frames[0], frames[2], frames[3], frames[1]])
    assert found.sport.tolist() == [80, 80]
    assert payloads(found) == [(1000, 1000)] * 2


def test_first_fragments_behind_other_extension_headers_are_no_copies(tmp_path: Path) -> None:
    segment, options = encode.Packet(SIX, SIX, sport=80, payload=100).ip_packet[40:], bytes([6, 0, 1, 4]) + bytes(4)
    frames = []
    for kind, inside in ((6, b""), (60, options), (6, b"")):
        body = struct.pack(">BBHI", kind, 0, 1, 7) + inside + segment
        start = struct.pack(">IHBB", 6 << 28, len(body), 44, 64) + SIX.packed * 2
        frames.append(bytes(12) + b"\x86\xdd" + start + body)
    assert payloads(read(tmp_path, frames)) == [(100, 100)] * 3


def fragmented(frames: Frames) -> Frames:
    """Each packet with data in two fragments."""
    found = [(t, split(frame, 504) if len(frame) > 1000 else [frame]) for t, frame in frames]
    return [(t + number, part) for t, parts in found for number, part in enumerate(parts)]


def test_a_download_in_fragments_is_whole(tmp_path: Path) -> None:
    found = analysed(tmp_path, fragmented(download()))
    (row,) = rows(found, "connections")
    assert some(row, "bytes_to_client", "distinct_to_client") == (40_000, 40_000)
    assert (found.warnings, found.notes) == ((), ())
    firsts = [(t, frame) for t, frame in fragmented(download()) if frame[20:22] != b"\x00\x3f"]
    assert analysed(tmp_path, firsts).lost == (
        "20640 bytes to the client were acknowledged and are not in the capture (in 1 connection)",
    )


def test_the_checksum_of_a_payload_in_fragments_is_not_known(tmp_path: Path) -> None:
    mapping = encode.dss(mapping=(8, 1, LAST_SEQ - ANSWER, 1000), checksum=1).raw
    t, last = END + MS, make.to_client(80, PORT, make.ACK, seq=LAST_SEQ, ack=ISN + 1, options=mapping, payload=1000)
    counts = ("right", "wrong", "unknown")
    found = analysed(tmp_path, [*download(), (t, last)])
    assert [some(row, *counts) for row in rows(found, "checksums")] == [(0, 1, 0)]
    found = analysed(tmp_path, [*download(), *fragmented([(t, last)])])
    assert [some(row, *counts) for row in rows(found, "checksums")] == [(0, 0, 1)]
