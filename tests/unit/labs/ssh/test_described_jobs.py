"""A job comes to another machine as it was, with that machine's interpreter, and its folder to read and write in."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.labs.base import Job
from testbed.labs.ssh.remote.described_job import described, job_of

JOB = Job(
    argv=(sys.executable, "-m", "experiments.agent", "out"),
    output=Path("/home/somebody/results/p"),
    env={"LANG": "C"},
    clock="real",
    wall_limit_s=12.5,
    clock_limit_s=7.0,
    stdin=Path("/home/somebody/point.json"),
    seed=3,
)


@pytest.mark.parametrize("there", ["/usr/bin/python3.12", sys.executable])
def test_a_job_comes_back_from_its_request(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.loads(json.dumps(described(JOB)))
    assert "/home/somebody" not in json.dumps(said) and sys.executable not in json.dumps(said)
    monkeypatch.setattr(sys, "executable", there)
    found = job_of(Path("/there"), said)
    assert found == replace(JOB, argv=(there, *JOB.argv[1:]), output=Path("/there/out"), stdin=Path("/there/stdin"))


def test_a_job_that_reads_nothing_and_works_in_a_home_has_the_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/there/home")
    found = job_of(Path("/there"), described(replace(JOB, stdin=None, cwd=Path("/home/somebody"))))
    assert (found.stdin, found.cwd) == (None, Path("/there/home"))
