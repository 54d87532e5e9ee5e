"""The figure of what changes broke: a row a balancer, a column a kind of change, a bar an arm, all in one drawing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import run_maker as runs
from drawn_figures import labels
from figure_maker import draw_figure, draw_figures, drawings
from matplotlib.axes import Axes
from pytest import approx

from analysis.summary.model import Balancing, PointSummary, ServerChange

PAPER, TCP = "MPTCP, as in the paper", "TCP"


def point(variant: str, balancer: str, event: str, *, broken: int = 0, **changes: Any) -> PointSummary:
    """A point of fifteen downloads, so many of which a change at 6 s broke."""
    quiet = event == "nothing happens"
    figures: dict[str, Any] = {
        "changes": () if quiet else (ServerChange(6.0, event, "s4", broken),),
        "broken": broken, "broken_before": 0, "under_way": None if quiet else 15, "recovery_s": None if quiet else 0.0,
        "director_bytes_to_servers": 1_000_000, "director_bytes_to_clients": 9_000_000, "director_entries": 40,
    }  # fmt: skip
    given = {name: changes.pop(name) for name in list(changes) if name in figures}
    summary: dict[str, Any] = {
        "id": f"balancers-{balancer}-{event}-{variant}".replace(" ", "-"),
        "experiment": "balancers", "figure": "", "title": "Any balancer", "plot": "balancers", "variant": variant,
        "condition": f"{balancer}: {event}", "conditions": {"balancer": balancer, "event": event},
        "balancing": Balancing(**(figures | given)),
    }  # fmt: skip
    return runs.page_size_summary("tcp" if variant == TCP else "mptcp", 1000, 90.0, **(summary | changes))


def points() -> list[PointSummary]:
    return [
        point(TCP, "NAT", "nothing happens"),
        point(PAPER, "NAT", "nothing happens", director_bypass_share=0.8),
        point(TCP, "NAT", "server removed", broken=3, recovery_s=1.2),
        point(PAPER, "NAT", "server removed"),
        point(TCP, "ECMP", "server removed", broken=15, recovery_s=None),
        point(PAPER, "ECMP", "server removed", broken=1, valid=False),
    ]


def grid(shown: list[PointSummary]) -> list[Axes]:
    figure = draw_figure("Any balancer", shown)
    assert figure is not None
    return list(figure.axes)


def widths(axes: Axes) -> list[float]:
    return [patch.get_width() for container in axes.containers for patch in container.patches]  # type: ignore[attr-defined]


def said(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_bar_is_the_share_that_broke_and_says_of_how_many_and_when_the_goodput_was_back() -> None:
    removed, _, ecmp_removed, _ = grid(points())
    assert widths(removed) == [approx(3 / 15), 0]
    assert said(removed) == ["3 of 15, back in 1.2 s", "0 of 15"]
    assert widths(ecmp_removed) == [1, approx(1 / 15)]
    assert said(ecmp_removed) == ["15 of 15, not back", "INVALID"]


def test_what_broke_that_began_after_the_change_is_told_apart() -> None:
    changes = (ServerChange(6.0, "server-crashed", "s4", broken=4, broken_new=3),)
    (cell,) = grid([point(TCP, "NAT", "server crashed", changes=changes)])
    assert widths(cell) == [approx(4 / 15)] and said(cell) == ["4 of 15, 3 new"]


def test_what_broke_before_the_change_is_said_and_explained() -> None:
    before = point(TCP, "NAT", "timestamps altered", broken_before=13)
    figure = draw_figure("Any balancer", [before])
    assert figure is not None
    assert widths(figure.axes[0]) == [0] and said(figure.axes[0]) == ["0 of 15, 13 before"]
    assert "13 before" not in said(grid(points())[0])
    assert "before: broken before it" in figure.legends[0].get_title().get_text()


def test_each_column_has_room_for_its_name() -> None:
    changes = [f"timestamps altered {number}" for number in range(7)]
    figure = draw_figure("Any balancer", [point(TCP, "NAT", change) for change in changes])
    assert figure is not None
    figure.draw_without_rendering()
    titles = [axes.title.axes._left_title.get_window_extent() for axes in figure.axes]  # type: ignore[attr-defined]
    assert all(one.x1 < another.x0 for one, another in pairwise(titles))


def test_where_nothing_happens_stands_last_what_goes_through_the_director() -> None:
    _, quiet, _, none = grid(points())
    assert widths(quiet) == [1, approx(0.2)]
    assert said(quiet) == ["10.0 MB, 40 entries"] * 2
    assert said(none) == ["not measured"]


def test_rows_and_columns_have_their_names_once() -> None:
    axes = grid(points())
    assert [each.get_title(loc="left") for each in axes] == [
        "server removed",
        "through the director",
        "",
        "",
    ]
    assert [each.get_ylabel() for each in axes] == ["NAT", "", "ECMP", ""]


def test_the_legend_has_each_arm_once() -> None:
    figure = draw_figure("Any balancer", points())
    assert figure is not None
    assert labels(figure) == [TCP, PAPER]


def test_a_director_without_state_says_so() -> None:
    shown = [point(TCP, "ECMP", "nothing happens", director_entries=0)]
    assert said(grid(shown)[0]) == ["10.0 MB, no entry"]


def test_seeds_are_averaged_over_the_valid_ones() -> None:
    seeds = [point(TCP, "NAT", "server removed", broken=number, seed=number) for number in (3, 4)]
    broken = point(TCP, "NAT", "server removed", broken=15, seed=5, valid=False)
    assert said(grid([*seeds, broken])[0]) == ["3.5 of 15"]


def test_all_conditions_are_one_drawing_with_the_experiments_name(tmp_path: Path) -> None:
    (drawing,) = drawings(points())
    assert (drawing.name, drawing.title) == ("balancers", "balancers: Any balancer")
    assert [path.name for path in draw_figures(tmp_path, points())] == [
        "balancers.png",
        "balancers.pdf",
        "balancers.svg",
    ]


def test_there_is_nothing_to_draw_of_points_without_two_axes() -> None:
    assert draw_figure("Any balancer", [point(TCP, "NAT", "server removed", conditions={})]) is None
