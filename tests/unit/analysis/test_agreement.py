from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_maker import page_size_summary

from analysis.compare import agreement
from analysis.compare.agreement_figure import agreement_figure, draw_agreement
from testbed.base.errors import AnalysisError

LABS = ("uml", "local")
USUAL = agreement.tolerances({})


@pytest.mark.parametrize(
    ("values", "relative", "apart"),
    [((100.0, 80.0), True, 20.0), ((80.0, 100.0), True, 20.0), ((0.0, 0.0), True, 0.0), ((0.0, 5.0), True, 100.0),
     ((90.0, 84.0), False, 6.0), ((None, 1.0), True, None)],
)  # fmt: skip
def test_differences(values: tuple[float | None, float | None], relative: bool, apart: float | None) -> None:
    assert agreement.difference(values, relative=relative) == apart


def test_two_labs_that_come_to_the_same_agree() -> None:
    ours = [page_size_summary("mptcp", 1000, 90.0, director_bypass_share=0.90, resets=20)]
    theirs = [page_size_summary("mptcp", 1000, 99.0, director_bypass_share=0.94, resets=30, clock="real")]
    found = agreement.compare(LABS, ours, theirs, USUAL)
    assert found.agrees and found.problems() == []
    (group,) = found.groups
    assert {each.quantity: each.difference for each in group.compared} == {
        "goodput": pytest.approx(100 / 11),
        "bypass": pytest.approx(4.0),
        "joins": 0.0,
        "failures": 0.0,
        "resets": pytest.approx(100 / 3),
    }
    assert group.name == "fig07 MPTCP 1000 KB"


def test_a_quantity_past_its_tolerance_is_named_and_the_tolerance_can_be_changed() -> None:
    ours, theirs = [page_size_summary("tcp", 100, 100.0)], [page_size_summary("tcp", 100, 80.0)]
    found = agreement.compare(LABS, ours, theirs, USUAL)
    assert found.problems() == ["fig07 TCP 100 KB: goodput: 100.00 and 80.00 Mbit/s: 20.0 % apart"]
    assert agreement.compare(LABS, ours, theirs, agreement.tolerances({"goodput": 20})).agrees


def test_seeds_are_pooled() -> None:
    ours = [page_size_summary("tcp", 100, mbps, seed=seed) for seed, mbps in ((1, 90.0), (2, 110.0))]
    theirs = [page_size_summary("tcp", 100, 100.0)]
    (group,) = agreement.compare(LABS, ours, theirs, USUAL).groups
    assert group.compared[0].values == (100.0, 100.0)
    assert [each.seeds for each in group.measured] == [2, 1]


def test_an_invalid_point_is_no_agreement() -> None:
    ours = [page_size_summary("tcp", 100, 100.0)]
    theirs = [page_size_summary("tcp", 100, 100.0, valid=False, invalid_reasons=("fidelity: out of CPU",))]
    found = agreement.compare(LABS, ours, theirs, USUAL)
    assert not found.agrees
    assert found.problems() == ["fig07 TCP 100 KB: invalid in local: fidelity: out of CPU"]
    assert all(each.agrees for each in found.groups[0].compared)


def test_a_figure_that_only_one_lab_has_is_a_disagreement() -> None:
    found = agreement.compare(
        LABS, [page_size_summary("tcp", 100, 100.0)], [page_size_summary("tcp", 100, 100.0, goodput_bps=None)], USUAL
    )
    assert found.problems() == ["fig07 TCP 100 KB: goodput: 100.00 and - Mbit/s: one of them is missing"]


def test_points_that_only_one_lab_has_are_refused() -> None:
    ours = [page_size_summary("tcp", 100, 1.0), page_size_summary("tcp", 10, 1.0)]
    with pytest.raises(AnalysisError, match="fig07-tcp-10KB-seed1: only lab uml has such a point"):
        agreement.compare(LABS, ours, ours[:1], USUAL)
    with pytest.raises(AnalysisError, match="only lab local"):
        agreement.compare(LABS, ours[:1], ours, USUAL)


def test_unknown_quantities_and_tolerances_are_refused() -> None:
    with pytest.raises(AnalysisError, match="no quantity 'speed'"):
        agreement.tolerances({"speed": 5})
    with pytest.raises(AnalysisError, match="not a percentage"):
        agreement.tolerances({"goodput": -1})


def test_json_table_and_figure_are_written(tmp_path: Path) -> None:
    ours = [page_size_summary(protocol, 100, 100.0) for protocol in ("tcp", "mptcp")]
    theirs = [page_size_summary("tcp", 100, 80.0, clock="real"), page_size_summary("mptcp", 100, 95.0, clock="real")]
    found = agreement.compare(LABS, ours, theirs, USUAL)
    written = [*agreement.write_agreement(tmp_path, found), *draw_agreement(tmp_path, found)]
    assert [path.name for path in written] == ["agreement.json", "agreement.txt", "agreement.png", "agreement.pdf"]
    document = json.loads(written[0].read_text())
    assert (document["version"], document["labs"], document["agrees"]) == (1, ["uml", "local"], False)
    assert [group["agrees"] for group in document["groups"]] == [False, True]
    assert document["groups"][0]["measured"][1]["clock"] == "real"
    assert "DIFFER" in written[1].read_text()
    panel = agreement_figure(found).axes[0]
    points = [(line.get_xdata()[0], line.get_label()) for line in panel.lines]
    assert points == [
        (100.0, "uml (virtual time)"), (80.0, "local (real time)"),
        (100.0, "_uml (virtual time)"), (95.0, "_local (real time)"),
    ]  # fmt: skip
