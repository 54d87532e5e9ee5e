"""The benchmark of the decoder runs, counts the same frames with all three tools, and refuses what is no capture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import capture_variants as variants

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "decoder_speed.py"


def benchmark(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(BENCHMARK), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_three_tools_on_the_same_frames(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(variants.raw("narrowed"))
    frames = len(list(variants.records(variants.raw("narrowed"))))
    done = benchmark("--repeat", "1", "--frames", "50", path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith(f"{path}: the first 50 frames, ")
    assert [line.split()[0] for line in lines[3:]] == ["decoder", "tshark", "dpkt", "decoder"]
    assert f"all {frames:,} frames, " in lines[-1]


def test_what_is_no_capture_is_one_line(tmp_path: Path) -> None:
    for content, complaint in ((b"", "the capture is empty"), (b"text", "not a pcap or pcapng file")):
        path = tmp_path / "capture.pcap"
        path.write_bytes(content)
        done = benchmark(path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"bench-decoder: {path}: {complaint}\n"
