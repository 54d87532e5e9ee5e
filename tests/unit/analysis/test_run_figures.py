"""The figures of any run: what is drawn, and how it looks."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_figures import bars, labels
from figure_maker import data, draw_run
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from table_maker import POINT, tables

from analysis.figures import joins, path_bytes, paths, resets, style
from analysis.figures.causes import LOOKS
from analysis.tables import CAUSES, TABLES


def test_paths_over_time_have_a_curve_each_in_mbit_per_second_and_the_churn_is_marked() -> None:
    second = {"point": "p", "direction": "to-client", "whole": True}
    given = tables(
        seconds=[
            second | {"second": 0, "path": "director", "server": None, "payload_bytes": 125_000},
            second | {"second": 0, "path": "past", "server": "s1", "payload_bytes": 12_500_000},
            second | {"second": 1, "path": "past", "server": "s1", "payload_bytes": 25_000_000},
            second | {"second": 1, "path": "past", "server": "s1", "direction": "to-server", "payload_bytes": 9},
        ],
        events=[{"point": "p", "t_s": 1.5, "event": "server-removed", "server": "s1"}],
    )
    figure = Figure()
    assert paths.draw(figure, data(given, [POINT]))
    (axes,) = figure.axes
    curves = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    assert curves["anycast address"] == [[0.5, 1.0], [1.5, 0.0]]  # a second without a row is an empty one
    assert curves["address of s1"] == [[0.5, 100.0], [1.5, 200.0]]
    assert [x for x, _ in curves["server removed"]] == [1.5, 1.5]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("Payload (Mbit/s)", "Time since the workload's start (s)")
    assert labels(figure) == ["anycast address", "address of s1", "server removed"]


def test_bytes_per_path_are_shares_of_the_direction_that_has_more() -> None:
    subflow = {"point": "p", "connection": 0}
    given = tables(
        subflows=[
            subflow | {"subflow": 0, "path": "director", "server": "s2", "bytes_to_client": 9, "bytes_to_server": 25},
            subflow
            | {"subflow": 1, "path": "past", "server": "s1", "server_evidence": "address", "bytes_to_server": 65},
            # Its server answers past the director, from the service address.
            subflow
            | {"subflow": 2, "path": "past", "server": "s1", "server_evidence": "capture", "bytes_to_server": 10},
        ]
    )
    figure = Figure()
    assert path_bytes.draw(figure, data(given, [POINT | {"service_path": "director"}]))
    widths = {str(each.get_label()): each.patches[0].get_width() for each in figure.axes[0].containers}  # type: ignore[attr-defined]
    assert widths == {"director": 25.0, "address of s1": 65.0, "past the director": 10.0}
    assert len({each.patches[0].get_hatch() for each in figure.axes[0].containers}) == 3  # type: ignore[attr-defined]


def test_the_join_delay_curve_ends_at_the_share_that_joined() -> None:
    connection = {"point": "p", "protocol": "mptcp"}
    waits = [0.02, None, 0.01, 0.04]
    given = tables(connections=[connection | {"connection": i, "join_wait_s": w} for i, w in enumerate(waits)])
    figure = Figure()
    assert joins.draw(figure, data(given, [POINT]))
    (curve,) = figure.axes[0].lines
    assert np.asarray(curve.get_xydata()).tolist() == [[0.01, 0.25], [0.02, 0.5], [0.04, 0.75]]
    assert labels(figure) == ["MPTCP: 3 of 4"]
    assert not figure.axes[0].collections and figure.axes[0].get_title(loc="left") == ""


def test_invalid_points_are_named_noted_and_pooled_apart(tmp_path: Path) -> None:
    points: list[dict[str, Any]] = [POINT | {"valid": True}, POINT | {"point": "q", "seed": 2, "valid": False}]
    given = tables(
        points=points,
        connections=[
            {"point": name, "connection": 0, "protocol": "mptcp", "join_wait_s": wait}
            for name, wait in (("p", 0.01), ("q", 0.02))
        ],
    )
    figure = Figure()
    assert joins.draw(figure, data(given, points))
    assert labels(figure) == ["MPTCP: 1 of 1", "MPTCP, INVALID: 1 of 1"]
    draw_run(given, tmp_path, ["join-delay"])
    assert "1 of 2 points INVALID, see summary" in (tmp_path / "fig14-join-delay.svg").read_text()
    draw_run(given | {"points": TABLES["points"].of_rows(points[:1])}, tmp_path, ["join-delay"])
    assert "INVALID" not in (tmp_path / "fig14-join-delay.svg").read_text()


@pytest.mark.parametrize(("count", "note"), [(4, ""), (6, "2 more of 6 points: draw them with --point")])
def test_points_without_a_panel_are_counted(count: int, note: str) -> None:
    points: list[dict[str, Any]] = [POINT | {"point": f"p{size}", "object_bytes": size * 1000} for size in range(count)]
    sent: list[dict[str, Any]] = [
        {"point": each["point"], "in_workload": True, "t_s": 0.5, "cause": "refused"} for each in points
    ]
    figure = Figure()
    assert resets.draw(figure, data(tables(points=points, resets=sent), points))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"MPTCP, {size} KB" for size in range(4)]
    assert figure.axes[0].get_title(loc="right") == note


def test_a_share_too_small_to_see_is_written() -> None:
    subflow = {"point": "p", "connection": 0}
    given = tables(
        subflows=[
            subflow | {"subflow": 0, "path": "director", "bytes_to_client": 22_900_000},
            subflow | {"subflow": 1, "path": "past", "server": "s1", "bytes_to_client": 41_600_000_000},
        ]
    )
    figure = Figure()
    assert path_bytes.draw(figure, data(given, [POINT]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["41.62 GB\nanycast address 0.055 %"]


def test_resets_are_stacked_by_cause_with_the_change_behind_them() -> None:
    reset = {"point": "p", "in_workload": True}
    given = tables(
        resets=[
            reset | {"t_s": 0.5, "cause": "no-socket", "churn": "removed"},
            reset | {"t_s": 0.7, "cause": "no-socket", "churn": "removed"},
            reset | {"t_s": 0.8, "cause": "no-socket", "churn": "added"},
            reset | {"t_s": 2.1, "cause": "unread-data"},
            reset | {"t_s": 9.0, "cause": "workload-end", "in_workload": False},
        ]
    )
    figure = Figure()
    assert resets.draw(figure, data(given, [POINT]))
    assert bars(figure.axes[0]) == {
        "no-socket, server removed: 2": [2], "no-socket, server added: 1": [1], "unread-data: 1": [1],
    }  # fmt: skip
    places = {str(each.get_label()): each.patches[0].get_xy() for each in figure.axes[0].containers}  # type: ignore[attr-defined]
    assert places == {
        "no-socket, server removed: 2": (0, 0), "no-socket, server added: 1": (0, 2), "unread-data: 1": (2, 0),
    }  # fmt: skip
    assert not [each for each in figure.axes[0].containers if isinstance(each, ErrorbarContainer)]


def test_a_cause_looks_the_same_whatever_else_there_is() -> None:
    reset = {"point": "p", "in_workload": True, "t_s": 0.5}

    def looks(*causes: str) -> dict[str, tuple[Any, Any]]:
        figure = Figure()
        assert resets.draw(figure, data(tables(resets=[reset | {"cause": cause} for cause in causes]), [POINT]))
        found = {}
        for each in figure.axes[0].containers:
            bar = each.patches[0]  # type: ignore[attr-defined]
            found[str(each.get_label()).partition(":")[0]] = (bar.get_facecolor(), bar.get_hatch())
        return found

    many = looks("refused", "refused", "after-close", "no-socket")
    assert list(many) == ["no-socket", "refused", "after-close"]
    assert looks("refused")["refused"] == many["refused"]
    assert list(looks("unknown", "from-a-newer-toolkit")) == ["unknown", "from-a-newer-toolkit"]


def test_every_cause_has_a_look_that_can_be_told_apart_in_grey() -> None:
    assert list(dict.fromkeys(name.partition(",")[0] for name in LOOKS)) == list(CAUSES)
    for one, other in combinations(LOOKS.values(), 2):
        if one.hatch == other.hatch:
            assert abs(grey(one.colour) - grey(other.colour)) > 0.12, (one, other)
        if one.hatch:
            assert abs(grey(one.colour) - grey(one.hatch_colour)) > 0.3, one


def grey(colour: str) -> float:
    """The brightness of a colour, as a printer without colours has it (Rec. 601)."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def test_more_curves_than_looks_have_hollow_marks() -> None:
    looks = [style.scheme(place) for place in range(18)]
    assert len(set(looks)) == 18
    assert [each.face == "white" for each in looks] == [False] * 9 + [True] * 9


def test_years_are_drawn_in_wider_steps_and_empty_seconds_need_no_row() -> None:
    far = 315_569_520  # ten years
    second = {"point": "p", "direction": "to-client", "whole": True, "path": "director"}
    reset = {"point": "p", "in_workload": True, "cause": "refused"}
    given = tables(
        seconds=[second | {"second": each, "payload_bytes": 125_000_000} for each in (0, far)],
        resets=[reset | {"t_s": each} for each in (0.5, 0.7, far + 0.5)],
    )
    figure = Figure()
    assert paths.draw(figure, data(given, [POINT]))
    (curve,) = [line for line in figure.axes[0].lines if line.get_label() == "anycast address"]
    at, rate = np.asarray(curve.get_xydata()).T
    assert len(at) <= 3600
    step = at[1] - at[0]
    assert rate[[0, -1]].tolist() == pytest.approx([1000 / step] * 2)
    assert figure.axes[0].get_ylabel() == "Payload (Mbit/s,\nmean of 1.01 days)"
    figure = Figure()
    assert resets.draw(figure, data(given, [POINT]))
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert len(heights) <= 3601
    assert (heights[0], heights[-1], sum(heights)) == (2, 1, 3)
