"""`testbed grade` on runs made by hand: bounds that hold in every seed, ratios, marks, and what a teacher mistypes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

import pytest
from report_maker import make_run
from run_maker import ab_text, anycast_point, load_balancer_point

from analysis.summary.of_point import analyse_point_fully
from experiments import grade_file
from experiments.api import grading
from experiments.api.grading import QUANTITIES
from experiments.cli import main
from testbed.base.errors import RunInterrupted
from testbed.labs import runtime_directory
from testbed.signals import Interrupted

CLAIMS = """
title = "Lab 2: past the load balancer"

[claim.bypass]
says = "Nine bytes of ten go past the load balancer."
value = "bypass_percent"
of = { protocol = "mptcp" }
at_least = 85
worth = 3

[claim.broken]
says = "A change of the servers breaks a download of TCP."
value = "failed_requests"
of = { protocol = "tcp", topology = "anycast" }
at_least = 1
at_most = 10

[claim.faster]
says = "MPTCP loads pages twice as fast as TCP."
value = "goodput_mbps"
of = { protocol = "mptcp" }
relative_to = { protocol = "tcp", topology = "load-balancer" }
at_least = 2
hint = "which of the two paths carries the data?"
"""


def status(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["grade", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two points of page loads with one goodput each, and one of anycast, in which a download failed."""
    folder = tmp_path_factory.mktemp("grade")
    points = folder / "run" / "points"
    made = [
        load_balancer_point(points / "mine-mptcp-seed1"),
        load_balancer_point(points / "mine-tcp-seed1", protocol="tcp"),
        anycast_point(points / "cast-tcp-seed1"),
    ]
    made_run = make_run(folder / "made", [analyse_point_fully(each).summary for each in made])
    (made_run / "run.json").rename(folder / "run" / "run.json")
    return folder / "run"


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    path = tmp_path / "claims.toml"
    path.write_text(CLAIMS)
    return path


def test_marks_are_for_claims_that_hold(run: Path, claims: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(claims, run, "--json", claims.parent / "marks.json") == 0
    said = capsys.readouterr().out
    assert said.startswith("Lab 2: past the load balancer\nholds                  3 of 3  bypass\n")
    assert "+ mine-mptcp: 90.0 % (one seed); wanted: at least 85 %" in said
    assert "- mine-mptcp: 1.00 times goodput_mbps (one seed); wanted: at least 2 times goodput_mbps" in said
    assert "hint: which of the two paths carries the data?" in said
    assert said.endswith("\n4 of 5 marks, by seeds 1\n")
    marks = json.loads((claims.parent / "marks.json").read_text())
    assert (marks["earned"], marks["worth"], marks["seeds"]) == (4, 5, [1])
    assert [each["verdict"] for each in marks["claims"]] == ["holds", "holds", "does not hold"]
    assert status(claims, run, "--strict") == 1


def test_what_the_summary_says_is_not_believed(run: Path, claims: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_up = run / "summary.json"
    made_up.write_text('{"version": 1, "points": []}')
    assert status(claims, run) == 0
    assert "4 of 5 marks" in capsys.readouterr().out


def test_points_that_are_invalid_or_not_there_earn_nothing(
    tmp_path: Path, claims: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = tmp_path / "run" / "points"
    for seed in (1, 2):
        load_balancer_point(points / f"mine-mptcp-seed{seed}", seed=seed)
    (points / "mine-mptcp-seed2" / "ab.txt").write_text(ab_text(complete=1))
    made_run = make_run(tmp_path / "made", [])
    (made_run / "run.json").rename(tmp_path / "run" / "run.json")
    assert status(claims, tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert "cannot be judged here  0 of 3  bypass\n" in said and "? mine-mptcp: seed 2: invalid: " in said
    had = "points have protocol mptcp; points have topology load-balancer"
    assert f"no such point: protocol tcp, topology anycast; {had}\n" in said
    assert "0 of 5 marks, by seeds 1, 2" in said


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("at_least = 85\n", "", "claims.toml:4: claim 'bypass': at_least or at_most is missing: no value could"),
        ("at_least = 1\n", "at_least = 11\n", "claim 'broken': at_least is above at_most: no value could keep it"),
        ("at_least = 85\n", "at_least = 101\n", "claims.toml:8: claim 'bypass': at_least = 101: no value could"),
        ("at_least = 85\n", "at_most = -1\n", "claim 'bypass': at_most = -1: no value could keep it"),
        ("at_least = 85\n", "at_least = 0\n", "claim 'bypass': at_least = 0: no value could break it"),
        ("at_least = 85\n", "at_most = 100\n", "claim 'bypass': at_most = 100: no value could break it"),
        ("bypass_percent", "bypass_procent", "claims.toml:6: "),
        ("topology =", "topolgy =", "of.topolgy: no point has this (did you mean 'topology'?)"),
        ("worth = 3", "worth = 0", "claims.toml:9: "),
        ("[claim.faster]", "[claims.faster]", "unknown key 'claims' in a file of claims"),
        ("[claim.faster]", "[claim.Faster]", "claim 'Faster': a name has lower-case letters"),
        ("title =", "[hidden]\nseeds = [7, 7]\n#", "seeds: at least one, none twice, 100 at most"),
        ("title =", '[hidden]\nseeds = [7]\nset = ["workload.total=1 MB"]\n#', "is a run, whose settings are"),
    ],
)  # fmt: skip
def test_a_teacher_s_mistake_is_one_line_with_its_place(
    run: Path, claims: Path, wrong: str, right: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    claims.write_text(CLAIMS.replace(wrong, right, 1))
    assert status(claims, run) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error, error
    assert error.startswith(f"testbed: error: {claims}")


def test_marks_replace_older_ones_and_nothing_else_and_that_is_known_before_the_work(
    run: Path, claims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, none = tmp_path / "mine.json", tmp_path / "none" / "marks.json"
    mine.write_text('{"claims": []}')
    for path, code, said in (
        (mine, 2, "it is there already, and not marks"),
        (none, 3, "cannot be written: no such directory"),
    ):
        assert status(claims, run, "--json", path) == code
        found = capsys.readouterr()
        assert found.err.startswith(f"testbed: error: {path}: {said}") and found.err.count("\n") == 1
        assert found.err.endswith("(name another file with --json)\n") and found.out == ""
    assert mine.read_text() == '{"claims": []}'
    assert [status(claims, run, "--json", tmp_path / "marks.json") for _ in range(2)] == [0, 0]


def test_a_file_without_claims_and_no_file_are_one_line(
    run: Path, claims: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims.write_text('title = "nothing"\n')
    for path in (claims, claims.with_name("no.toml")):
        assert status(path, run) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_every_quantity_of_a_file_can_be_measured() -> None:
    assert set(get_args(grade_file.Quantity)) == set(QUANTITIES)


def test_an_interrupted_grade_keeps_nothing_and_says_so(
    run: Path, claims: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outs: list[Path] = []

    def interrupted(_points: object, *, out: Path, **_options: object) -> None:
        outs.append(out)
        raise RunInterrupted(f"interrupted; 1 of 3 points are kept in {out}") from Interrupted("interrupted")

    monkeypatch.setattr(grading, "_points", lambda *_: [])
    monkeypatch.setattr("experiments.api.runs.run", interrupted)
    claims.write_text(claims.read_text() + "\n[hidden]\nseeds = [7]\n")
    assert status(claims, run) == 130
    assert capsys.readouterr().err == "testbed: error: interrupted\n"
    # What SIGKILL leaves is found by `testbed clean`.
    assert outs[0].parent.name.startswith(f"{runtime_directory.PREFIX}{os.getpid()}-") and not outs[0].parent.exists()
