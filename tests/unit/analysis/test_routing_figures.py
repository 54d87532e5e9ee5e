"""Figures of routes that move: who was reached by whom, below the time line, and which downloads survive flips."""

from __future__ import annotations

from typing import Any

import pytest
import run_maker as runs
from drawn_figures import labels
from figure_maker import draw_figure, registry
from matplotlib.figure import Figure as Canvas

from analysis.figures import changes, survival
from analysis.figures.declaration import Data
from analysis.figures.drawing import Drawing, draw
from analysis.summary.model import Churn, PointSummary, SecondBySecond
from analysis.tables import TABLES


def flips(protocol: str, period_s: float, size: int, *, failed: int, complete: int = 20, **more: Any) -> PointSummary:
    """A point of downloads while the route flips, of which so many failed."""
    fields: dict[str, Any] = {
        "id": f"flips-{period_s:g}-{protocol}-{size}", "experiment": "flip-rates", "figure": "", "plot": "survival",
        "title": "Flips", "condition": f"every {period_s:g} s", "conditions": {"flips": f"every {period_s:g} s"},
        "complete_requests": complete, "failed_requests": failed, "object_bytes": size,
        "parameters": {"period_s": period_s},
    }  # fmt: skip
    return runs.page_size_summary(protocol, size // 1000, 9.0, **(fields | more))


def test_a_panel_an_arm_and_a_curve_a_size() -> None:
    points = [
        flips(protocol, period_s, size, failed=failed)
        for protocol, failed in (("tcp", 15), ("mptcp", 0))
        for period_s in (0.1, 10.0)
        for size in (10_000, 10_000_000)
    ]
    figure = draw_figure("Flips", points)
    assert figure is not None
    assert labels(figure) == ["10 KB", "10 MB"]
    assert [[line.get_ydata().tolist() for line in axes.lines] for axes in figure.axes] == [
        [[25.0, 25.0]] * 2,
        [[100.0, 100.0]] * 2,
    ]


def test_what_is_invalid_is_hollow_and_what_has_no_period_is_no_point() -> None:
    figure = draw_figure(
        "Flips", [flips("tcp", 0.1, 10_000, failed=1), flips("tcp", 1.0, 10_000, failed=1, valid=False)]
    )
    assert figure is not None
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines]
    assert faces == ["#0072B2", "white"]
    assert draw_figure("Flips", [flips("tcp", 1.0, 10_000, failed=0, parameters={})]) is None
    assert draw_figure("Flips", [flips("tcp", 1.0, 10_000, failed=0, complete=0)]) is None


@pytest.mark.parametrize(("complete", "failed", "percent"), [(20, 5, 75), (0, 4, 0), (8, 0, 100)])
def test_ab_may_count_a_broken_download_as_complete_or_not(complete: int, failed: int, percent: float) -> None:
    assert survival.survived_percent([flips("tcp", 1.0, 1000, failed=failed, complete=complete)]) == percent


def timeline(**changed: Any) -> PointSummary:
    churn = (Churn(1.0, "link-down", "r1-r2", 3), Churn(3.0, "link-up", "r1-r2", 0))
    series = SecondBySecond((9_000_000,) * 5, (0,) * 5, (0,) * 5, churn)
    fields = {"id": "p", "plot": "rerouting", "figure": "", "per_second": series}
    return runs.page_size_summary("tcp", 1000, 9.0, **(fields | changed))


def drawn(rows: list[dict[str, Any]]) -> Canvas:
    tables = {"routes": TABLES["routes"].of_rows(rows)}
    summary = timeline()
    data = Data(tables, [{"point": "p", "valid": True}], summaries=[summary], siblings=[summary])
    figure = draw(Drawing(registry().figures["rerouting"], "figure", "Routes", data))
    assert figure is not None
    return figure


def route(t_s: float, change: str, leads_to: str | None, via: str, **more: Any) -> dict[str, Any]:
    return {
        "point": "p", "t_s": t_s, "node": "r1", "is_first": True, "change": change, "destination": "x",
        "leads_to": leads_to, "via": via, **more,
    }  # fmt: skip


def test_a_bar_says_by_whom_from_when_to_when() -> None:
    figure = drawn(
        [
            route(0.0, "there", "service", "10.0.12.2"),
            route(0.0, "there", "s1", "10.0.12.2"),
            route(0.0, "there", None, "r1-eth0"),
            route(1.2, "set", "service", "10.0.14.4"),
            route(1.2, "set", "service", "10.0.23.3", node="r3", is_first=False),
            route(3.4, "deleted", "service", "10.0.14.4"),
        ]
    )
    assert figure is not None
    axes = figure.axes[2]
    bars = [(round(each.get_x(), 3), round(each.get_width(), 3)) for each in axes.patches]
    assert bars == [(0.0, 1.2), (1.2, 2.2), (0.0, 5.0)]
    assert [each.get_text() for each in axes.get_yticklabels()] == ["service", "s1, unique"]
    assert [each.get_text() for each in axes.get_legend().get_texts()] == ["by 10.0.12.2", "by 10.0.14.4"]
    assert {"link down", "link up", "link out"} <= set(labels(figure))


def test_a_link_is_out_from_its_failure_to_its_return_whichever_it_was() -> None:
    happened = [(1.0, "link-silent", "a"), (2.0, "link-down", "b"), (3.0, "link-up", "a"), (4.0, "link-cost", "a")]
    assert changes.gone(happened, 9.0) == [(1.0, 3.0), (2.0, 9.0)]
