"""The figure and the table of a sweep: curves with spread, a map, or every point by axis; columns as it was swept."""

from __future__ import annotations

from typing import Any

import run_maker as runs
from drawn_figures import labels
from figure_maker import draw_figure
from matplotlib.collections import FillBetweenPolyCollection

from analysis.summary.model import PointSummary
from analysis.summary.sweep import axes_of
from analysis.summary.sweep_table import sweep_table
from analysis.summary.text import render_table

DELAY, CONCURRENCY, DIRECTOR = "topology.client_director.delay", "workload.concurrency", "director"


def point(goodput_mbps: float, protocol: str = "tcp", seed: int = 1, **changes: Any) -> PointSummary:
    sweep = changes.pop("sweep")
    name = "-".join(map(str, sweep.values()))
    fields = {"id": f"x-{name}-{protocol}-{seed}", "experiment": "x", "figure": "", "plot": "sweep", "sweep": sweep}
    return runs.page_size_summary(protocol, 10, goodput_mbps, seed=seed, **{**fields, **changes})


def over_delay() -> list[PointSummary]:
    return [
        point(100 / delay + seed * (protocol == "mptcp"), protocol, seed, sweep={DELAY: f"{delay} ms"})
        for delay in (1, 10, 100)
        for protocol in ("tcp", "mptcp")
        for seed in (1, 2)
    ]


def test_over_one_axis_there_is_a_curve_for_each_arm_with_its_spread() -> None:
    figure = draw_figure("x", over_delay())
    assert figure is not None
    (axes,) = figure.axes
    assert labels(figure) == ["TCP", "MPTCP"]
    tcp, mptcp = axes.lines
    assert list(tcp.get_xdata()) == [1, 10, 100] and list(tcp.get_ydata()) == [100, 10, 1]
    assert list(mptcp.get_ydata()) == [101.5, 11.5, 2.5]
    assert axes.get_xlabel() == "client director delay (ms)" and axes.get_xscale() == "log"
    # Only what differs between seeds has a spread.
    assert len([each for each in axes.collections if isinstance(each, FillBetweenPolyCollection)]) == 1


def test_an_invalid_point_is_hollow_and_in_no_curve() -> None:
    points = [*over_delay(), point(500, seed=3, sweep={DELAY: "1 ms"}, valid=False, invalid_reasons=("a join",))]
    figure = draw_figure("x", points)
    assert figure is not None
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert [list(line.get_ydata()) for line in hollow] == [[500]]


def test_over_two_axes_there_is_a_map_for_each_arm() -> None:
    points = [
        point(delay * concurrency, protocol, sweep={DELAY: f"{delay} ms", CONCURRENCY: concurrency})
        for delay in (1, 2, 3)
        for concurrency in (20, 5)
        for protocol in ("tcp", "mptcp")
    ]
    figure = draw_figure("x", points)
    assert figure is not None
    tcp, mptcp, _colours = figure.axes
    assert (tcp.get_title("left"), mptcp.get_title("left")) == ("TCP", "MPTCP")
    assert tcp.images[0].get_array().tolist() == [[5, 10, 15], [20, 40, 60]]  # type: ignore[union-attr]
    assert [each.get_text() for each in tcp.get_xticklabels()] == ["1", "2", "3"]
    assert [each.get_text() for each in tcp.get_yticklabels()] == ["5", "20"]


def test_a_field_of_the_map_says_whether_it_was_not_measured_or_is_invalid() -> None:
    points = [
        point(n, protocol, sweep={DELAY: f"{n} ms", CONCURRENCY: each}, valid=(protocol, n, each) != ("tcp", 2, 20))
        for protocol in ("tcp", "mptcp")
        for n in (1, 2)
        for each in (20, 5)
        if (protocol, n, each) != ("tcp", 1, 5)
    ]
    figure = draw_figure("x", points)
    assert figure is not None
    said = [[text.get_text() for text in panel.texts] for panel in figure.axes[:2]]
    assert said == [["not measured", "2", "1", "invalid"], ["1", "2", "1", "2"]]


def test_over_more_axes_every_point_is_shown_by_each() -> None:
    points = [
        point(n, sweep={DELAY: f"{n} ms", CONCURRENCY: 7 * n % 5, DIRECTOR: ("ipvs-nat", "ecmp")[n % 2]})
        for n in range(1, 9)
    ]
    figure = draw_figure("x", points)
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "client director delay (ms)",
        "workload concurrency",
        "director",
    ]
    assert all(len(line.get_ydata()) in (0, 8) for axes in figure.axes for line in axes.lines)


def test_without_a_sweep_or_a_rate_there_is_nothing_to_draw() -> None:
    assert draw_figure("x", [point(1, sweep={}), point(2, sweep={})]) is None
    assert draw_figure("x", [point(1, sweep={DELAY: f"{n} ms"}, goodput_bps=None) for n in (1, 2)]) is None


def test_the_table_has_a_column_for_each_setting_with_its_unit() -> None:
    assert sweep_table([runs.page_size_summary("tcp", 10, 5)]) is None
    points = [point(5, sweep={DELAY: "1 ms", CONCURRENCY: 5, DIRECTOR: "ecmp"}), point(6, sweep={DELAY: "1 s"})]
    table = sweep_table([runs.page_size_summary("tcp", 10, 5), *points])
    assert table is not None
    row, other = table.to_pylist()
    assert (row["topology_client_director_delay_s"], row["workload_concurrency"], row["director"]) == (0.001, 5, "ecmp")
    assert (other["topology_client_director_delay_s"], other["workload_concurrency"], other["director"]) == (
        1,
        None,
        None,
    )
    assert (row["arm"], row["goodput_bps"], row["valid"], row["seed"]) == ("TCP", 5e6, True, 1)
    assert [axis.is_number for axis in axes_of(points)] == [True, True, False]


def of_pages(protocol: str, goodput_mbps: float, concurrency: int, delay: str, seed: int = 1) -> PointSummary:
    sweep = {CONCURRENCY: concurrency, DELAY: delay}
    return point(goodput_mbps, protocol, seed, sweep=sweep, plot="page-size")


def test_in_another_figure_points_with_other_values_are_no_repeats_of_each_other() -> None:
    points = [of_pages("tcp", 10, 5, "1 ms"), of_pages("tcp", 12, 5, "1 ms", seed=2), of_pages("tcp", 80, 50, "1 ms")]
    figure = draw_figure("x", points)
    assert figure is not None
    assert [each for each in labels(figure) if "TCP," in each] == ["TCP, concurrency 5", "TCP, concurrency 50"]
    curves = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].containers[0].lines[:1]}
    assert list(curves.values()) == [[11.0]]


def test_the_rows_of_the_summary_say_which_values_they_have() -> None:
    text = render_table(
        [of_pages("tcp", 10, 5, "1 ms"), of_pages("tcp", 20, 5, "2 ms"), of_pages("tcp", 30, 6, "2 ms")]
    )
    rows = [line.split("   ")[0].strip() for line in text.splitlines() if line.startswith("  TCP")]
    assert rows == [
        "TCP, concurrency 5, delay 1 ms",
        "TCP, concurrency 5, delay 2 ms",
        "TCP, concurrency 6, delay 2 ms",
    ]
