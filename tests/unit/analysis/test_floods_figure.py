"""The figure of floods: a panel a flood, bars a server, and behind each bar what the server answered."""

from __future__ import annotations

from typing import Any

import run_maker as runs
from drawn_figures import labels
from figure_maker import draw_figure, drawings
from matplotlib.axes import Axes
from pytest import approx

from analysis.flows.joins import Joins
from analysis.summary.model import PointSummary
from testbed.record.syns import Tally

OPEN, OWN = "one address", "own addresses"
ALL, SOME = Joins(100, 100, 0, 0, 0), Joins(asked=100, accepted=98, refused=2, unanswered=0, reset=5)


def point(server: str, flood: str, mbps: float = 900.0, *, answers: int = 0, **changes: Any) -> PointSummary:
    """A point under a flood of a million SYNs, so many of which got a SYN+ACK."""
    counts = {"syns": 10**6, "frames": 10**6, "answered": answers, "refused": 0, "resets": 0, "others": 0}
    tally = Tally.model_validate({"kind": "replay", "to": "fd00:3::101", "syn_acks": answers, **counts})
    fields: dict[str, Any] = {
        "id": f"flood-{server}-{flood}".replace(" ", "-"), "experiment": "protection-flood", "plot": "floods",
        "title": "Floods", "figure": "", "condition": f"{server}: {flood}",
        "conditions": {"server": server, "flood": flood},
        "variant": "MPTCP, as in the paper", "syns": (tally,), "half_open": 3, "joins": ALL,
    }  # fmt: skip
    return runs.page_size_summary("mptcp", 1000, mbps, **(fields | changes))


POINTS = [
    point(OPEN, "random tokens"),
    point(OPEN, "a live pair", 450.0, answers=200_000, half_open=1025, joins=SOME),
    point(OWN, "random tokens"),
]


def panels(shown: list[PointSummary]) -> list[Axes]:
    figure = draw_figure("Floods", shown)
    assert figure is not None
    return list(figure.axes)


def widths(axes: Axes) -> list[float]:
    return [patch.get_width() for container in axes.containers for patch in container.patches]  # type: ignore[attr-defined]


def said(axes: Axes) -> list[str]:
    return [text.get_text().strip() for text in axes.texts]


def test_each_flood_has_a_panel_and_each_server_a_bar_with_what_it_answered() -> None:
    tokens, pair = panels(POINTS)
    assert [each.get_title(loc="left") for each in (tokens, pair)] == ["random tokens", "a live pair"]
    assert widths(tokens) == [approx(900), approx(900)] and widths(pair) == [approx(450)]
    assert said(tokens) == ["0 SYN+ACK, 0 RST\n3 waiting"] * 2
    assert said(pair) == ["200 k SYN+ACK, 0 RST\n1025 waiting\n7 of 100 joins lost", "not measured"]


def test_seeds_are_averaged_and_their_lost_joins_too() -> None:
    def words(*lost: int) -> str:
        joins = [Joins(asked=100, accepted=100 - each, refused=each, unanswered=0, reset=0) for each in lost]
        shown = [point(OPEN, "a live pair", seed=seed, joins=each) for seed, each in enumerate(joins, start=1)]
        (panel,) = panels(shown)
        return said(panel)[0].splitlines()[-1]

    assert words(10) == words(10, 10, 10, 10, 10) == "10 of 100 joins lost"
    assert words(0, 0, 1, 0, 0) == "0.2 of 100 joins lost"
    assert words(20, 25) == "22 of 100 joins lost"
    assert words(0, 0) == "3 waiting"


def test_schemes_are_not_mixed_and_what_is_invalid_says_so() -> None:
    other = point(OPEN, "random tokens", 600.0, variant="MPTCP, upstream", valid=False)
    figure = draw_figure("Floods", [POINTS[0], other])
    assert figure is not None
    assert widths(figure.axes[0]) == [approx(900), approx(600)] and said(figure.axes[0])[1] == "INVALID"
    assert labels(figure) == ["MPTCP, as in the paper", "MPTCP, upstream"]


def test_all_conditions_are_one_drawing_and_points_without_made_up_syns_are_none() -> None:
    (drawing,) = drawings(POINTS)
    assert drawing.name == "protection-flood"
    assert draw_figure("Floods", [point(OPEN, "random tokens", syns=())]) is None
