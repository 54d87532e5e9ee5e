"""Selftests over seeds that are interrupted: what has ended is in the tables, and the last line says how to go on."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.cli import kernel_seeds
from experiments.cli.kernel_seeds import Search, try_seeds
from testbed.base.errors import EXIT_INTERRUPTED, PointsFailed, RunInterrupted
from testbed.kernel.selftests import Suite, Unit
from testbed.labs.base import Cancel, Job, JobResult, Sink

UNITS = (Unit("first", "first.sh"), Unit("second", "second.sh"))


class Lab:
    """Prints one result a unit, a failure for `second` with seed 1; Ctrl-C comes in the unit and seed of `at`."""

    at: tuple[str, int, bool]

    def __init__(self, _image: Path) -> None:
        pass

    def run(self, job: Job, *, stdout: Sink, cancel: Cancel, **_more: object) -> JobResult:
        unit, is_again = job.output.name, job.output.parts[-3].endswith("-again")
        if self.at == (unit, job.seed, is_again):
            os.kill(os.getpid(), signal.SIGINT)
            assert cancel.wait(10)
            raise RunInterrupted("interrupted")
        outcome = "not ok" if (unit, job.seed) == ("second", 1) else "ok"
        stdout(f"TAP version 13\n1..1\n{outcome} 1 - mptcp: it works # time=5ms\n".encode())
        return JobResult(0, wall_s=1.0, clock_s=1.0)


def interrupted(directory: Path, at: tuple[str, int, bool], monkeypatch: pytest.MonkeyPatch) -> RunInterrupted:
    monkeypatch.setattr(kernel_seeds, "UmlLab", Lab)
    monkeypatch.setattr(Lab, "at", at, raising=False)
    kernel: Any = SimpleNamespace(image=directory, id="abc", release="6.12", facts=dict[str, object])
    kernels: Mapping[str, Any] = {"ours": kernel}
    suite = Suite(directory, "linux-source")
    options = ("--release", "6.12", "--only", "first")
    search = Search(UNITS, suite, kernels, directory, 1, 60.0, lambda _label, _end: None, options=options)
    with pytest.raises(RunInterrupted) as ended:
        try_seeds(search, range(1, 5))
    assert ended.value.exit_code == EXIT_INTERRUPTED and not isinstance(ended.value, PointsFailed)
    return ended.value


def cells(directory: Path) -> list[tuple[str, int]]:
    with (directory / "seeds.csv").open() as file:
        return [(row["unit"], int(row["seed"])) for row in csv.DictReader(file)]


def test_what_has_ended_is_in_the_tables_with_the_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = interrupted(tmp_path, ("second", 2, False), monkeypatch)
    assert "1 of 4 seeds are done" in error.message
    assert error.hint == "go on with: testbed kernel test --seeds 3 --seed 2 --release 6.12 --only first"
    said = capfd.readouterr().out
    assert "interrupted: 3 seeds are not done, from 2" in said
    lines = {line.split()[0]: line for line in said.splitlines() if "it works" in line}
    assert "2 ok" in lines["first"] and "1 fail (seed 1)" in lines["second"]
    assert "was not tried again: testbed kernel test --seeds 1 --seed 1 --only second --kernel abc" in said
    assert cells(tmp_path) == [("first", 1), ("second", 1), ("first", 2)]
    assert (tmp_path / "seeds.txt").read_text() in said
    kept = json.loads((tmp_path / "seeds.json").read_text())
    assert kept["left"] == [2, 3, 4] and [each["again"] for each in kept["failures"]] == [None]


def test_before_anything_has_ended_there_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = interrupted(tmp_path, ("first", 1, False), monkeypatch)
    assert "0 of 4 seeds are done" in error.message and "--seeds 4 --seed 1 " in str(error.hint)
    assert capfd.readouterr().out == "" and not (tmp_path / "seeds.txt").exists()


def test_all_seeds_are_in_the_table_when_only_the_repetition_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = interrupted(tmp_path, ("second", 1, True), monkeypatch)
    assert "all seeds are done" in error.message and "testbed kernel test" not in str(error.hint)
    said = capfd.readouterr().out
    assert "3 ok, 1 fail (seed 1)" in said and "was not tried again" in said and "interrupted" not in said
    assert len(cells(tmp_path)) == 8
