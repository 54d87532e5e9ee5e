"""The wheel runs points: installed without a checkout, set up by its own command, from a directory with our names."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def test_a_point_runs_without_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CHECKOUT / "tests" / "unit" / "wheel"))
    import installed

    folder = installed.install(installed.build(tmp_path), tmp_path / "env", "[lab]")
    (cwd := tmp_path / "user").mkdir()
    for name in ("testbed.py", "experiments.py", "analysis.py", "topologies.py", "mininet.py"):
        (cwd / name).write_text("raise ImportError('the user\\'s own')\n")
    there = installed.Environment(folder, cwd)

    ready = there.run("testbed", "setup")
    assert ready.returncode == 0, ready.stderr
    assert "already in the cache" in ready.stderr and "large_reads.so" in ready.stderr
    assert list((there.packages / "experiments" / "__pycache__").glob("agent.*.pyc"))

    small = ["--set", "workload.sizes=10 KB", "--set", "workload.total=1 MB", "--set", 'protocols=["mptcp"]']
    done = there.run("testbed", "run", "fig07", *small, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "1 point, valid" in done.stdout or "all valid" in done.stdout
    (point,) = json.loads((tmp_path / "run" / "run.json").read_text())["points"]
    commands = (tmp_path / "run" / "points" / point / "commands.jsonl").read_text()
    assert str(CHECKOUT / "testbed") not in commands and sys.prefix not in commands
