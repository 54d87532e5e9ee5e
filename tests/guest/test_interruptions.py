"""What ends a run before its time: a pipe that nobody reads, a closed terminal, a signal. What is finished is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed.process import wait_until

POINTS = ["--jobs", "1", "--set", 'workload.sizes=["100 KB"]', "--set", "workload.total=1 MB"]
SIZE = ["--set", "workload.min_requests=10"]
FIRST = "fig07-paper-mptcp-100KB-seed1"
"""It takes longer than TCP, so it begins first."""
RUN = [sys.executable, "-m", "experiments", "run", "fig07", *POINTS, *SIZE]


def manifest(directory: Path) -> dict[str, Any]:
    value = json.loads((directory / "run.json").read_text())
    assert isinstance(value, dict)
    return value


def finished(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "points").iterdir())


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp")}


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "tmp").iterdir() if "-cores-" not in path.name]


def test_a_pipe_that_nobody_reads_ends_a_run_and_it_can_be_resumed(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        [*RUN, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline().startswith(f"[1/2] {FIRST} ok".encode())
        run.stdout.close()
        said = run.stderr.read().decode()
        assert run.wait(60) == 130
    assert said.count("\n") == 1 and "points are kept" in said and "--resume" in said
    assert manifest(out)["state"] == "interrupted"
    assert FIRST in finished(out)
    assert left(tmp_path) == []

    again = [sys.executable, "-m", "experiments", "run", "--resume", "--out", str(out)]
    subprocess.run(again, check=True, stdout=subprocess.DEVNULL, env=environment, timeout=120)
    assert manifest(out)["state"] == "complete"
    assert finished(out) == [FIRST, "fig07-tcp-100KB-seed1"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_run_in_order(tmp_path: Path, environment: dict[str, str], number: signal.Signals) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        [*RUN, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline().startswith(b"[1/2]")
        run.send_signal(number)
        run.send_signal(number)
        said = run.stderr.read().decode()
        assert run.wait(60) == 130
    assert said.startswith("testbed: error: interrupted") and said.count("\n") == 1
    assert manifest(out)["state"] == "interrupted" and FIRST in finished(out)
    assert left(tmp_path) == []


def test_a_run_that_was_told_to_ignore_a_closed_terminal_goes_on(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        ["nohup", *RUN, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith(b"[1/2]")
        run.send_signal(signal.SIGHUP)
        assert b"2 points, all valid" in run.stdout.read()
        assert run.wait(60) == 0
    assert manifest(out)["state"] == "complete"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("command", [["exec", "--", "sleep", "10000"], ["bench", "--seconds", "5"]])
def test_a_signal_ends_any_command_and_leaves_nothing(
    tmp_path: Path, environment: dict[str, str], command: list[str], number: signal.Signals
) -> None:
    if command[0] == "exec":
        command = [*command[:1], "--clock", "real", *command[1:]]
    argv = [sys.executable, "-m", "experiments", *command]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as running:
        wait_until(lambda: any("mptcp-testbed-" in name for name in left(tmp_path)), "the guest", timeout_s=60)
        running.send_signal(number)
        out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert said.startswith("testbed: error: interrupted") and said.count("\n") == 1
    assert left(tmp_path) == []
