"""Figures of routes that move: who was reached by whom, below the time line, and which downloads survive flips."""

from __future__ import annotations

from typing import Any

import run_maker as runs
from drawn_figures import labels
from figure_maker import registry
from matplotlib.figure import Figure as Canvas

from analysis.figures import changes, survival
from analysis.figures.declaration import Data
from analysis.figures.drawing import Drawing, draw
from analysis.summary.model import Churn, PointSummary, SecondBySecond
from analysis.tables import TABLES


def flips(protocol: str, period_s: float, size: int, **more: Any) -> PointSummary:
    """A point of downloads while the route flips."""
    fields: dict[str, Any] = {
        "id": f"flips-{period_s:g}-{protocol}-{size}", "experiment": "flip-rates", "figure": "", "plot": "survival",
        "title": "Flips", "condition": f"every {period_s:g} s", "conditions": {"flips": f"every {period_s:g} s"},
        "object_bytes": size, "parameters": {"period_s": period_s},
    }  # fmt: skip
    return runs.page_size_summary(protocol, size // 1000, 9.0, **(fields | more))


def download(point: PointSummary, share: float = 1.0, **more: Any) -> dict[str, Any]:
    """A download of which so much came; a whole one is closed, another one reset."""
    came = round(share * point.object_bytes)
    ends = {"end": "closed", "survived": True} if share >= 1 else {"end": "reset", "survived": False}
    fields = {"syn_s": 1.0, "last_new_data_s": 2.0, "bytes_to_server": 90, "distinct_to_client": came}
    return {"point": point.id, **ends, **fields, **more}


def of_flips(points: list[PointSummary], rows: list[dict[str, Any]]) -> Canvas | None:
    tables = {"connections": TABLES["connections"].of_rows(rows)}
    known = [{"point": each.id, "duration_s": 10.0, "object_bytes": each.object_bytes} for each in points]
    return draw(Drawing(registry().figures["survival"], "figure", "Flips", Data(tables, known, points, points)))


def test_a_panel_an_arm_and_a_curve_a_size() -> None:
    points = [
        flips(protocol, period_s, size)
        for protocol in ("tcp", "mptcp")
        for period_s in (0.1, 10.0)
        for size in (10_000, 10_000_000)
    ]
    rows = [
        download(point, share) for point in points for share in ((1, 0.5, 0, 0) if point.protocol == "tcp" else (1, 1))
    ]
    figure = of_flips(points, rows)
    assert figure is not None
    assert labels(figure) == ["10 KB", "10 MB"]
    (legend,) = figure.legends
    assert legend.get_title().get_text().endswith("pairs of vantage point and root letter.")
    figure.draw_without_rendering()
    assert legend.get_window_extent().width < figure.bbox.width
    assert [[line.get_ydata().tolist() for line in axes.lines] for axes in figure.axes] == [
        [[25.0, 25.0]] * 2,
        [[100.0, 100.0]] * 2,
    ]


def test_what_is_invalid_is_hollow_and_what_has_no_period_or_no_download_is_no_point() -> None:
    points = [flips("tcp", 0.1, 10_000), flips("tcp", 1.0, 10_000, valid=False)]
    figure = of_flips(points, [download(each) for each in points])
    assert figure is not None
    assert [line.get_markerfacecolor() for line in figure.axes[0].lines] == ["#0072B2", "white"]
    strange = flips("tcp", 1.0, 10_000, parameters={})
    assert of_flips([strange], [download(strange)]) is None
    assert of_flips(points, []) is None


def test_what_stands_still_at_the_end_has_not_survived_and_what_goes_on_is_not_counted() -> None:
    point = flips("tcp", 1.0, 10_000)
    half = {"share": 0.5, "end": "open", "survived": True}
    rows = [
        *(download(point) for _ in range(3)),
        download(point, **half, last_new_data_s=6.0),
        download(point, **half, last_new_data_s=None),
        download(point, **half, last_new_data_s=9.0),
        download(point, **{**half, "share": 0}, bytes_to_server=0),
        download(point, syn_s=None),
    ]
    assert survival.fates_of(
        Data(
            {"connections": TABLES["connections"].of_rows(rows)},
            [{"point": point.id, "duration_s": 10.0, "object_bytes": 10_000}],
        )
    ) == {point.id: (3, 2)}


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
