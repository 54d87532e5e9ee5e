"""DSS checksums, verified with the payload in the file: captures from anywhere, made by hand."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import packet_maker as make
import pytest
from observation_maker import MS, T
from test_tabulation import CLIENT_KEY, KEY

from analysis.summary.of_captures import analyse_captures

PORT = 40001
BODY = bytes(range(1, 252))


def checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def dss(dsn: int, place: int, body: bytes, *, wrong: int = 0, fin: bool = False) -> bytes:
    """DSS with a mapping of 8 bytes and a checksum."""
    length = len(body) + fin
    right = checksum(struct.pack(">QIHH", dsn, place, length, 0) + body)
    flags = 0x0C | 0x10 * fin
    return bytes([30, 20, 0x20, flags]) + struct.pack(">QIHH", dsn, place, length, right ^ wrong)


def sent(at_ms: int, place: int, body: bytes, option: bytes) -> tuple[int, bytes]:
    frame = make.to_client(80, PORT, make.ACK, seq=5000 + place, ack=1001, options=option, payload=len(body))
    return T + at_ms * MS, frame[: len(frame) - len(body)] + body


def capture(path: Path, *frames: tuple[int, bytes], snap: int = 65535) -> Path:
    both = make.mp_capable(CLIENT_KEY + KEY, flags=0x81)
    opening = [
        (T, make.to_server(PORT, 80, make.SYN, seq=1000, options=make.MSS + make.mp_capable(flags=0x81))),
        (T + MS, make.to_client(80, PORT, make.SYN | make.ACK, seq=5000, ack=1001,
                                options=make.MSS + make.mp_capable(KEY, flags=0x81))),
        (T + 2 * MS, make.to_server(PORT, 80, make.ACK, seq=1001, ack=5001, options=both)),
    ]  # fmt: skip
    return make.write_pcap(path, [*opening, *frames], snap=snap)


def found(path: Path) -> dict[str, Any]:
    (row,) = analyse_captures([path]).tables["checksums"].to_pylist()
    return {name: row[name] for name in ("sender", "right", "wrong", "unknown", "first_wrong_s")}


def frames(*, wrong: int = 0) -> list[tuple[int, bytes]]:
    """A packet of an odd length; a burst of two segments, both with the mapping of the whole; a DATA_FIN."""
    whole = BODY + BODY
    return [
        sent(10, 1, BODY, dss(7, 1, BODY)),
        sent(20, 252, BODY, dss(258, 252, whole, wrong=wrong)),
        sent(21, 503, BODY, dss(258, 252, whole, wrong=wrong)),
        sent(30, 754, b"ab", dss(760, 754, b"ab", fin=True)),
    ]


def test_right_checksums_are_right_over_bursts_and_with_a_data_fin(tmp_path: Path) -> None:
    expected = {"sender": "server", "right": 3, "wrong": 0, "unknown": 0, "first_wrong_s": None}
    assert found(capture(tmp_path / "c.pcap", *frames())) == expected


def test_one_wrong_bit_is_found_with_its_time(tmp_path: Path) -> None:
    expected = {"sender": "server", "right": 2, "wrong": 1, "unknown": 0, "first_wrong_s": pytest.approx(0.02)}
    assert found(capture(tmp_path / "c.pcap", *frames(wrong=1))) == expected


def test_payload_that_was_cut_off_lost_or_packed_leaves_it_open(tmp_path: Path) -> None:
    cut = capture(tmp_path / "cut.pcap", *frames(), snap=128)
    assert (found(cut)["right"], found(cut)["unknown"]) == (1, 2)  # the last one is short enough
    data = bytearray(cut.read_bytes())
    data[16:20] = struct.pack("<I", 65535)  # what tools that cut or merge files leave there
    cut.write_bytes(data)
    assert (found(cut)["right"], found(cut)["wrong"], found(cut)["unknown"]) == (1, 0, 2)
    lost = capture(tmp_path / "lost.pcap", *frames()[:2], frames()[3])
    assert (found(lost)["right"], found(lost)["unknown"]) == (2, 1)
    packed = tmp_path / "packed.pcap.gz"
    packed.write_bytes(gzip.compress(capture(tmp_path / "c.pcap", *frames()).read_bytes()))
    assert found(packed)["unknown"] == 3
