"""Reading in chunks takes memory by the chunk, not by the file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import capture_variants as variants

from analysis.pcap import iter_packets

CHUNK_BYTES = 1 << 18


def peak_bytes(path: Path, repeats: int) -> int:
    """Peak memory of reading a capture that is the records of a real one over and over."""
    content = variants.raw("narrowed")
    path.write_bytes(content[:24] + content[24:] * repeats)
    frames = len(list(variants.records(content)))
    tracemalloc.start()
    try:
        assert sum(chunk.records for chunk in iter_packets(path, chunk_bytes=CHUNK_BYTES)) == frames * repeats
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    few, many = peak_bytes(tmp_path / "few.pcap", 50), peak_bytes(tmp_path / "many.pcap", 500)
    assert (tmp_path / "many.pcap").stat().st_size > 40 * CHUNK_BYTES
    assert many < 1.05 * few
    assert many < 12 * CHUNK_BYTES
