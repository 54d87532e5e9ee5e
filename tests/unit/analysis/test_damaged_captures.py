"""Captures that are cut, damaged, empty or none: what can be read is, and the rest is one line."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import capture_encoder as pack
import packet_maker as make
import pytest

from analysis.pcap import merge, read_pcap
from testbed.base.errors import AnalysisError

T = 1_700_000_000 * 10**9


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
NG = pack.section() + pack.interface(name="eth0", resolution=9)


@pytest.mark.parametrize(
    "bad",
    [
        pack.enhanced("<", 1, T, FRAME),  # an interface that is not described
        pack.enhanced("<", 0, T, FRAME)[:-4] + b"\0\0\0\0",  # its lengths differ
        pack.block("<", 6, struct.pack("<IIIII", 0, 0, 0, 999, 999)),  # more captured than the block holds
        pack.section()[:8] + bytes(20),  # a section without a byte order
        struct.pack("<II", 6, 1 << 30) + bytes(40),
    ],
)
def test_a_block_that_contradicts_itself_stops_there_with_a_warning(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "a.pcapng"
    good = NG + pack.enhanced("<", 0, T, FRAME)
    path.write_bytes(good + bad + pack.enhanced("<", 0, T, FRAME))
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T]
    assert packets.warnings == (f"a.pcapng: garbage at byte {len(good)}: the rest of the file is not read",)


@pytest.mark.parametrize("missing", [1, 20, 60, 85])
def test_a_truncated_last_block_leaves_the_others(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "a.pcapng"
    good = NG + pack.enhanced("<", 0, T, FRAME)
    last = pack.enhanced("<", 0, T + 1, FRAME)
    path.write_bytes((good + last)[:-missing])
    packets = read_pcap(path)
    assert packets.time_ns.tolist() == [T]
    left = len(last) - missing
    assert packets.warnings == (f"a.pcapng: truncated record at byte {len(good)}: {left} bytes are not read",)


def test_a_pcapng_says_what_it_lost_and_what_cannot_be_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    other = pack.interface(link_type=147)
    blocks = [
        pack.enhanced("<", 0, T, FRAME),
        pack.enhanced("<", 1, 0, FRAME),
        pack.statistics("<", 0, 12),
    ]
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
    path.write_bytes(pack.section() + pack.interface(snap=54) + pack.simple("<", FRAME + bytes(99), snap=54))
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
        (gzip.compress(b"This is a text file.", mtime=0), "what it holds is not a pcap or pcapng file"),
        (b"PK\x03\x04" + bytes(40), "not a pcap or pcapng file (unpack it first: zip)"),
        (
            gzip.compress(make.pcap_bytes([]), mtime=0)[:8],
            "the compressed file is cut short: nothing can be read of it",
        ),
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
