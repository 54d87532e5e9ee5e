"""The benchmark of the analysis' memory has a row per point, and refuses a run without captures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import run_maker as runs

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "analysis_memory.py"


def benchmark(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(BENCHMARK), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_the_largest_point_comes_first_and_all_stay_within_what_is_reckoned_with(tmp_path: Path) -> None:
    runs.load_balancer_point(tmp_path / "points" / "small", protocol="tcp")
    runs.anycast_point(tmp_path / "points" / "large")
    (tmp_path / "points" / ".partial-x").mkdir()
    done = benchmark(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    heading, *rows = (line.split() for line in done.stdout.splitlines())
    assert heading[0] == "point" and {row[0] for row in rows} == {"small", "large"}
    for _, captures, imports, peak, reckoned, _, _ in rows:
        assert 0 <= float(captures) < 1 < float(imports) <= float(peak) < float(reckoned)
    assert rows[-1][-1] == "1.00"


def test_a_run_without_captures_is_one_line(tmp_path: Path) -> None:
    done = benchmark(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"bench-memory: {tmp_path}: no point with captures in it\n"
