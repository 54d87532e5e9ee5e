"""The summary of a run: in one process or several, as files, and as a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import run_maker as runs

import analysis
from analysis.flows.joins import Joins, Waits
from analysis.summary.model import Balancing, FailedRequests, PointSummary, Rerouting, SecondBySecond, read_summary
from analysis.summary.of_run import analyse_run, write_summary
from analysis.summary.text import figure_order, render_table
from testbed.base.errors import AnalysisError


def make_run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    runs.load_balancer_point(run / "points" / "b-mptcp")
    runs.load_balancer_point(run / "points" / "a-tcp", protocol="tcp")
    runs.anycast_point(run / "points" / "c-anycast")
    (run / "points" / "d-broken").mkdir()
    (run / "points" / ".partial-e").mkdir()
    runs.write_json(run / "run.json", {"version": 1, "state": "complete", "points": ["c-anycast", "b-mptcp", "gone"]})
    return run


def test_a_run_in_worker_processes_is_the_run_in_this_one(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    alone = analyse_run(run, jobs=1)
    assert [point.id for point in alone] == ["c-anycast", "b-mptcp", "a-tcp", "d-broken"]
    assert [point.valid for point in alone] == [True, True, True, False]
    assert analyse_run(run, jobs=2) == alone


def test_the_summary_is_written_and_read_back(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    points = analyse_run(run)
    json_path, text_path = write_summary(run, points)
    document = json.loads(json_path.read_text())
    assert document["version"] == 1
    assert {
        "experiment", "figure", "protocol", "object_bytes", "parameters", "seed", "goodput_bps", "wire_limit_bps",
        "director_bypass_share", "connections", "joined", "failed_requests", "resets", "virtual_s", "wall_s", "valid",
        "invalid_reasons", "clock", "title", "plot", "id", "requests_per_s", "complete_requests", "per_second",
    } <= set(document["points"][0])  # fmt: skip
    assert document["points"][0]["per_second"]["churn"][0] == {
        "t": 1.0, "event": "server-removed", "server": "s1", "resets": 2,
    }  # fmt: skip
    assert read_summary(run) == points
    assert text_path.read_text() == render_table(points)
    assert sorted(p.name for p in run.iterdir()) == [
        ".testbed-files", "points", "run.json", "summary.json", "summary.txt",
    ]  # fmt: skip


def test_every_field_of_the_summary_is_documented() -> None:
    readme = (Path(analysis.__file__).with_name("README.md")).read_text(encoding="utf-8")
    fields = [
        *PointSummary.__dataclass_fields__,
        *SecondBySecond.__dataclass_fields__,
        *FailedRequests.__dataclass_fields__,
        *Joins.__dataclass_fields__,
        *Waits.__dataclass_fields__,
        *Balancing.__dataclass_fields__,
        *Rerouting.__dataclass_fields__,
    ]
    assert [name for name in fields if f"`{name}`" not in readme] == []


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="No such file"):
        write_summary(tmp_path / "gone", [])


def test_a_directory_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="not a run directory"):
        analyse_run(tmp_path)


def test_a_run_of_a_newer_format_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    runs.write_json(tmp_path / "run.json", {"version": 9})
    with pytest.raises(AnalysisError, match="version 9, but this toolkit reads version 1"):
        analyse_run(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2, "points": []}', '{"version": 1, "points": [{"x": 1}]}'])
def test_a_summary_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(AnalysisError) as caught:
        read_summary(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_table_groups_by_figure_and_gives_the_reasons() -> None:
    points = [
        runs.timeline_summary("tcp"),
        runs.page_size_summary("mptcp", 1000, 850.0, valid=False, invalid_reasons=("joins missing: 3 of 200",)),
        runs.page_size_summary("tcp", 10, 88.0, seed=2),
        runs.page_size_summary("tcp", 10, 80.0, clock="real"),
    ]
    lines = render_table(points).splitlines()
    assert lines[3] == "Fig. 7: HTTP downloads"
    assert lines[4].split() == [
        "TCP",
        "10",
        "2",
        "88.0",
        "94.1",
        "93.5",
        "0.0",
        "1100.0",
        "200",
        "-",
        "0",
        "0",
        "7.1",
        "10.2",
    ]
    assert lines[5].split()[-1] == "INVALID"
    assert lines[6].startswith("  TCP (real time)")
    assert lines[7] == "  ! fig07-mptcp-1000KB-seed1: joins missing: 3 of 200"
    assert lines[9] == "Fig. 13: Anycast, TCP"
    assert lines[-3].startswith("Limit of MPTCP: the direct path alone.")
    assert lines[-1] == "4 points, 1 invalid"
    assert max(map(len, lines)) <= 132


def test_the_table_has_a_group_per_condition_with_the_variants_in_the_order_of_the_run() -> None:
    names = (("1 % loss", "zeta"), ("1 % loss", "alpha"), ("no loss", "zeta"))
    points = [
        runs.page_size_summary(
            "mptcp", 1000, 90.0, figure="", experiment="mine", title="Schemes", condition=condition, variant=variant
        )
        for condition, variant in names
    ]
    lines = render_table(points).splitlines()
    assert [line.split("  ")[1] if line.startswith("  ") else line for line in lines[3:9]] == [
        "mine: Schemes: 1 % loss",
        "zeta",
        "alpha",
        "",
        "mine: Schemes: no loss",
        "zeta",
    ]


def test_figures_sort_by_number() -> None:
    assert sorted(["13", "mine", "7", "11"], key=lambda figure: figure_order(figure, "")) == ["7", "11", "13", "mine"]
