"""`testbed report`: what it writes and prints, its status, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from claim_points import pages
from report_maker import POINTS, Page, make_run

from analysis.claims import CLAIMS
from experiments.cli.main import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("report") / "mine", POINTS)


def status(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["report", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_the_command_writes_the_page_and_prints_the_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "mine", POINTS)
    assert status(run) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    assert Page(text).open == []
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "holds                  fig07-wire-speed-from-500-kb  §V-B, Fig. 7\n" in out
    assert "    - 10 MB: 333.0 Mbit/s (one seed); wanted: 642 to 964 Mbit/s\n" in out
    counted = re.search(r"\n(\d+) claims: .*; (\d+) more are about points that are not here\n", out)
    assert counted and int(counted[1]) + int(counted[2]) == len(CLAIMS)
    assert "no such point" not in out
    assert out.endswith(f"\n{run / 'report.html'}\n")
    assert not list(run.glob(".report*"))


def test_the_status_is_about_the_report_unless_strict(tmp_path: Path) -> None:
    fails = make_run(tmp_path / "fails", pages("11", "mptcp", 333.0))
    holds = make_run(tmp_path / "holds", pages("11", "mptcp", 800.0))
    assert status(fails) == 0
    assert status(fails, "--strict", "--out", tmp_path / "page.html") == 1
    assert (tmp_path / "page.html").exists()
    assert status(holds, "--strict") == 0


def without_summary(run: Path) -> None:
    (run / "summary.json").unlink()


def newer_manifest(run: Path) -> None:
    (run / "run.json").write_text('{"version": 2}')


def newer_summary(run: Path) -> None:
    (run / "summary.json").write_text('{"version": 2, "points": []}')


def broken_manifest(run: Path) -> None:
    (run / "run.json").write_text("{")


def broken_digests(run: Path) -> None:
    next(run.glob("points/*/digests.json")).write_text('{"version": 9}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "run.json").unlink(), "{run}: not a run directory: it has no run.json"),
        (without_summary, "{run}: no summary.json (finish and analyse it: testbed run --resume --out {run})"),
        (newer_manifest, "{run}/run.json: version 2, but this toolkit reads version 1"),
        (newer_summary, "{run}/summary.json: version 2, but this toolkit reads version 1"),
        (broken_manifest, "{run}/run.json: not JSON: "),
        (broken_digests, "{run}/points/fig7-tcp-10000-virtual-1/digests.json: not digests of version 1"),
    ],
)
def test_wrong_input_is_one_clear_line(
    damage: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "mine", POINTS[:1])
    damage(run)
    assert status(run) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"testbed: error: {said.format(run=run)}")
    assert captured.err.count("\n") == 1
    assert not (run / "report.html").exists()


def test_no_run_and_no_place_to_write_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(tmp_path / "nothing") == 2
    assert capsys.readouterr().err == f"testbed: error: {tmp_path}/nothing: no such run directory\n"
    run = make_run(tmp_path / "mine", POINTS[:1])
    assert status(run, "--out", tmp_path / "no" / "page.html") == 3
    assert capsys.readouterr().err.startswith(f"testbed: error: {tmp_path}/no/page.html: cannot be written: no such")


def test_a_report_of_one_point_is_a_page_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "mine", POINTS)
    assert status(run, "--point", POINTS[0].id) == 0
    page = run / f"report-{POINTS[0].id}.html"
    assert "1 points: mine" in page.read_text() and POINTS[-1].id not in page.read_text()
    assert not (run / "report.html").exists()
    capsys.readouterr()
    assert status(run, "--point", "slwo") == 2
    assert capsys.readouterr().err == "testbed: error: --point: no point 'slwo' (for example: slow)\n"
