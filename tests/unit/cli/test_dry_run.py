"""A dry run: the points and what they should take; it refuses what the run would, so that nobody learns of it later."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli.main import main

DryRun = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dry_run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DryRun:
    """Status, output and complaints of `testbed run --dry-run` in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["run", "--dry-run", *args])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capfd.readouterr()

    return call


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--check-share", "0.1"), "--check-share: not in the lab uml (labs that can: dask:ADDRESS"),
        (("--lab", "dask:local", "--check-share", "nan"), "Invalid value for '--check-share': nan is not a number"),
        (("--lab", "dask:local", "--check-share", "1.1"), "1.1 is not in the range"),
        (("--lab", "local", "--shared-boot"), "--shared-boot: not in the lab local"),
        (("--lab", "local", "--kernel", "7.3"), "--kernel 7.3: the lab has a kernel of its own: local"),
        (("--kernel", "9.9"), "no lab kernel '9.9' (releases: "),
        (("--kernel", ""), "no lab kernel '' (releases: "),
        (("--real-repeat", "3"), "seeds of points in real time: none of these is in real time"),
    ],
)
def test_what_a_run_would_refuse_is_one_line(dry_run: DryRun, options: tuple[str, ...], line: str) -> None:
    status, out, err = dry_run("fig13", *options)
    assert status == 2 and line in err and len(err.splitlines()) == 1 and not out


def test_a_dry_run_lists_the_points_and_the_time_and_writes_nothing(dry_run: DryRun, tmp_path: Path) -> None:
    status, out, _ = dry_run("7", "--repeat", "2", "--seed", "5", "--jobs", "1")
    assert status == 0
    assert len(re.findall(r"^fig07-\S+-seed[56] +virtual +\d+ s$", out, re.MULTILINE)) == 28
    assert re.search(r"^28 points, about [\d.]+ min with 1 at a time, at most [\d.]+ MB of disk$", out, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_points_in_real_time_alone_are_repeated(dry_run: DryRun) -> None:
    _, out, _ = dry_run("6", "7", "--real-repeat", "3")
    assert len(re.findall(r"-real-seed[123] +real ", out)) == 3 * 14
    assert len(re.findall(r"-seed1 +virtual ", out)) == 2 * 14
    assert "\n70 points" in out


def test_a_lab_without_a_virtual_clock_gets_real_points(dry_run: DryRun) -> None:
    _, out, _ = dry_run("13", "6", "--lab", "local")
    assert re.search(r"^fig13-tcp-100MB-real-seed1 +real +\d+ s$", out, re.MULTILINE)
    assert len(re.findall(r"^fig06-\S+-real-seed1 +real ", out, re.MULTILINE)) == 14
    assert "virtual" not in out


def test_the_clock_can_be_chosen(dry_run: DryRun) -> None:
    _, out, _ = dry_run("13", "--clock", "real")
    assert re.search(r"^fig13-tcp-100MB-real-seed1 +real +\d+ s$", out, re.MULTILINE)
