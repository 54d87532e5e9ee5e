"""Compressed captures are read as they are, in bounded memory; what is cut short or damaged gives what came before."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import packet_maker as make
import pyarrow as pa
import pytest

from analysis.pcap import iter_packets, read_pcap
from testbed.base.errors import AnalysisError

T = 1_700_000_000 * 10**9


def by_arrow(name: str) -> Callable[[bytes], bytes]:
    def compress(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, name) as stream:
            stream.write(content)
        return bytes(sink.getvalue())

    return compress


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zstd": by_arrow("zstd"), "lz4": by_arrow("lz4"),
}  # fmt: skip


def noisy(count: int) -> bytes:
    """A capture that does not compress well, of frames of 144 bytes with their records."""
    chance = [zlib.crc32(struct.pack("<I", number)) for number in range(count * 30)]
    frames = []
    for i in range(count):
        payload = struct.pack("<20I", *chance[i * 20 : i * 20 + 20])
        frame = make.to_client(80, 40001, make.ACK, seq=chance[-i - 1], payload=1000)
        frames.append((T + i, frame[:54] + payload[: 128 - 54] + bytes(926)))
    return make.pcap_bytes(frames)


CAPTURE = noisy(3000)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 21])
def test_a_compressed_capture_is_read_whatever_its_name(tmp_path: Path, name: str, chunk_bytes: int) -> None:
    plain, packed = tmp_path / "plain.pcap", tmp_path / "packed.pcap"
    plain.write_bytes(CAPTURE)
    packed.write_bytes(FORMATS[name](CAPTURE))
    one, other = read_pcap(plain), read_pcap(packed, chunk_bytes=chunk_bytes)
    assert other.seq.tolist() == one.seq.tolist()
    assert other.record_offset.tolist() == one.record_offset.tolist()
    assert (other.records, other.warnings) == (3000, ())


@pytest.mark.parametrize("name", FORMATS)
def test_members_behind_one_another_are_one_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pcap.packed"
    path.write_bytes(FORMATS[name](CAPTURE[:100_001]) + FORMATS[name](CAPTURE[100_001:]))
    packets = read_pcap(path)
    assert (packets.records, packets.warnings) == (3000, ())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_is_cut_short_gives_what_came_before(tmp_path: Path, name: str, share: float) -> None:
    content = noisy(15_000)  # so that formats of large blocks have several
    packed = FORMATS[name](content)
    path = tmp_path / "a.pcap"
    path.write_bytes(packed[: int(len(packed) * share)])
    packets = read_pcap(path)
    block = 1_000_000 if name in ("bz2", "zstd", "lz4") else 1000
    assert packets.records >= (len(content) * share * 0.9 - block) // 144
    assert packets.records < 15_000
    (warning,) = packets.warnings
    assert warning.startswith("a.pcap: the compressed file is cut short after byte ")
    assert packets.records * 144 + 24 <= int(warning.split()[9]) < packets.records * 144 + 24 + 144


def test_of_a_gzip_file_every_byte_before_the_damage_is_read(tmp_path: Path) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    good = deflate.compress(CAPTURE[:200_000]) + deflate.flush(zlib.Z_FULL_FLUSH)
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(good + b"\xff" * 5000)
    packets = read_pcap(path)
    assert packets.records == (200_000 - 24) // 144
    (warning,) = packets.warnings
    assert warning.startswith("a.pcap.gz: the compressed file is damaged after byte 200000 of what it holds: ")


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz"])
def test_zeros_behind_the_last_member_are_nothing_and_other_bytes_are_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pcap"
    packed = FORMATS[name](CAPTURE)
    path.write_bytes(packed + bytes(512))
    assert read_pcap(path).warnings == ()
    path.write_bytes(packed + b"something else")
    packets = read_pcap(path)
    assert packets.records == 3000
    assert packets.warnings == (
        f"a.pcap: the compressed file is followed by something else after byte {len(CAPTURE)} of what it holds: "
        "the rest of the file is not read",
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_and_flip_is_packets_or_one_line(tmp_path: Path, name: str) -> None:
    packed = FORMATS[name](noisy(40))
    path = tmp_path / "a.pcap"
    for at in range(0, len(packed), max(len(packed) // 150, 1)):
        flipped = packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
        for content in (packed[:at], flipped):
            path.write_bytes(content)
            try:
                packets = read_pcap(path)
            except AnalysisError as error:
                assert str(error).startswith(f"{path}: ")
                assert "\n" not in str(error)
            else:
                assert packets.records <= 40 or content is flipped


def test_a_bomb_stays_in_bounded_memory(tmp_path: Path) -> None:
    # 200 MB of one packet over and over in 1 MB.
    record = make.pcap_bytes([(T, make.to_client(80, 40001, make.ACK, payload=1400))], snap=65535)[24:]
    path = tmp_path / "bomb.pcap.gz"
    deflate = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(deflate.compress(make.pcap_bytes([])))
        block = record * 700
        for _ in range(200):
            file.write(deflate.compress(block))
        file.write(deflate.flush())
    code = (
        "import re, sys; from pathlib import Path; from analysis.pcap import iter_packets;"
        "print(sum(chunk.records for chunk in iter_packets(Path(sys.argv[1]))),"
        "re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    records, peak_kb = map(int, done.stdout.split())
    assert records == 140_000
    assert peak_kb < 100_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress, by_arrow("zstd")])
def test_a_pipe_is_read_like_a_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(pack(CAPTURE)))
    writer.start()
    records = sum(chunk.records for chunk in iter_packets(path))
    writer.join()
    assert records == 3000
