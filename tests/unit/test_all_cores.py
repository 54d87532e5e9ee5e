"""Tests on all cores: what stays in one worker, and that a test which is alone has no other beside it."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from all_cores import in_room, scope_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/unit/test_units.py::test_a[b::c]", "tests/unit/test_units.py"),
        ("tests/lab/ssh/test_refusals.py::test_a", "alone"),
        ("tests/guest/test_guest_behaviour.py::test_a", "alone"),
        ("tests/guest/test_points.py::test_a", "tests/guest/test_points.py"),
        ("tests/unit/fuzzing/test_fuzzed_ssh.py::test_a", "tests/unit/fuzzing/test_fuzzed_ssh.py::test_a"),
    ],
)
def test_a_file_stays_together_and_so_do_all_that_are_alone(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid) == scope


def test_what_is_alone_comes_last() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    files = ["tests/guest/test_guest_behaviour.py", "tests/lab/test_shell.py", "tests/unit/test_units.py"]
    said = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    collected = dict.fromkeys(line.split("::")[0] for line in said.splitlines() if "::" in line)
    assert list(collected) == [files[2], files[0], files[1]]


def enter(path: Path, alone: bool, told: Connection) -> None:
    with in_room(path, alone=alone):
        told.send("in")
        told.recv()


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False), (True, True)])
def test_who_is_alone_waits_for_the_others_and_they_for_it(tmp_path: Path, first: bool, second: bool) -> None:
    ours, theirs = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=enter, args=(tmp_path / "room", second, theirs))
    with in_room(tmp_path / "room", alone=first):
        other.start()
        assert not ours.poll(0.2)
    assert ours.poll(30)
    ours.send("leave")
    other.join(30)
    assert other.exitcode == 0


def test_those_who_are_not_alone_are_there_together(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=enter, args=(tmp_path / "room", False, theirs))
    with in_room(tmp_path / "room", alone=False):
        other.start()
        assert ours.poll(30)
    ours.send("leave")
    other.join(30)
    assert other.exitcode == 0
