"""A kernel release beside the default one that cannot be had stops nothing, and is not passed over in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.kernel.release import DEFAULT, RELEASES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("status", "expected", "lines"), [(0, 0, 0), (3, 0, 1), (1, 1, 0), (6, 6, 0), (130, 130, 0)])
def test_only_what_is_missing_is_passed_over_and_in_one_line(status: int, expected: int, lines: int) -> None:
    argv = [ROOT / ".ci" / "other-release", "7.3", "sh", "-c", f"exit {status}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (expected, "", lines)
    assert not lines or done.stderr.startswith("make: Linux 7.3 cannot be had here")


def test_the_summary_of_the_guest_tests_names_a_release_that_is_not_built(tmp_path: Path) -> None:
    (other,) = [name for name, release in RELEASES.items() if release != DEFAULT]
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/guest/test_floating_point.py"]
    done = subprocess.run(
        [*argv, "-k", other],
        cwd=ROOT, env=os.environ | {"TESTBED_CACHE": str(tmp_path)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("NOT TESTED")]
    assert line.startswith(f"NOT TESTED: Linux {other} is not built") and line.endswith(" tests)")
