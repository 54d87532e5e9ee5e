"""The table of measured values beside a figure of the report: means of points that are repeats, and of no others."""

from __future__ import annotations

import re
from pathlib import Path

from report_maker import Page, make_run
from run_maker import page_size_summary
from test_floods_figure import point as flooded

from analysis.report import compile_report, read_run, render_page


def test_a_figure_of_several_conditions_has_a_row_for_each_of_them(tmp_path: Path) -> None:
    rates = {"one address": (10.0, 20.0), "own addresses": (900.0,)}
    points = [
        flooded(server, "a live pair", mbps, seed=seed, id=f"{server[:3]}{seed}", director_bypass_share=0.5)
        for server, seeds in rates.items()
        for seed, mbps in enumerate(seeds, start=1)
    ]
    report = compile_report([read_run(make_run(tmp_path / "mine", points))])
    (figure,) = report.figures
    assert [(row.condition, row.object_kb, row.cells) for row in figure.rows] == [
        ("one address: a live pair", 1000.0, ((15.0, 50.0),)),
        ("own addresses: a live pair", 1000.0, ((900.0, 50.0),)),
    ]
    parsed = Page(render_page(report))
    assert parsed.open == []
    assert re.search(r"own addresses: a live pair\s*1000\s*MPTCP, as in the paper\s*900.0\s*50.0", parsed.text)


def test_what_a_sweep_changes_is_averaged_in_no_table(tmp_path: Path) -> None:
    axis = "topology.client_director.delay"
    points = [
        page_size_summary("mptcp", 1000, mbps, id=f"sweep{mbps:g}", plot="sweep", sweep={axis: f"{mbps:g} ms"})
        for mbps in (10.0, 900.0)
    ]
    report = compile_report([read_run(make_run(tmp_path / "mine", points))])
    (figure,) = report.figures
    assert (figure.curves, figure.rows) == ((), ())
    text = render_page(report)
    assert Page(text).open == [] and "means of the valid points" not in text
