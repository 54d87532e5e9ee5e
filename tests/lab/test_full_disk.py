"""A disk that gets full while points run ends the run in one line; finished points stay, and it goes on with room."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from extent import in_test_all

from testbed.runs import store

TESTBED = Path(__file__).parents[2] / ".venv" / "bin" / "testbed"
POINTS = ("fig07", "--set", "protocols=mptcp", "--set", "workload.sizes=100 KB", "--set", "workload.total=1 MB")
MB = 1_000_000

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system"),
    in_test_all("two runs: make test-all"),
]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 MB."""
    target = tmp_path / "small"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={200 * MB}", "tmpfs", target], check=True)
    yield target
    subprocess.run(["umount", target], check=True)


def test_a_full_disk_ends_the_run_in_one_line_and_costs_no_finished_point(small: Path) -> None:
    run, ballast = small / "run", small / "ballast"
    process = subprocess.Popen(
        [TESTBED, "run", *POINTS, "--repeat", "4", "--jobs", "1", "--out", run],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(run.glob("points/fig07*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    subprocess.run(["fallocate", "-l", str(170 * MB), ballast], check=True)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 3, (said, complaints)
    (line,) = complaints.splitlines()
    assert line.startswith(f"testbed: error: the disk is full: {run} has ") and "make room, and continue with" in line
    made = store.open_run(run)
    kept = [name for name in made.manifest.points if made.is_ok(name)]
    assert 1 <= len(kept) <= 3 and f"{len(kept)} of 4 points are kept in {run}" in line
    assert sorted(path.name for path in made.points.iterdir()) == sorted(kept)
    assert made.manifest.state == "interrupted"
    # No room, no beginning; with room it goes on.
    refused = subprocess.run([TESTBED, "run", "--resume", "--out", run], capture_output=True, text=True, check=False)
    assert refused.returncode == 3 and "GB free, this run needs" in refused.stderr
    ballast.unlink()
    before = {name: (made.points / name / "digests.json").stat().st_mtime_ns for name in kept}
    subprocess.run([TESTBED, "run", "--resume", "--out", run], capture_output=True, check=True, timeout=300)
    assert all(map(made.is_ok, made.manifest.points))
    assert before == {name: (made.points / name / "digests.json").stat().st_mtime_ns for name in kept}
