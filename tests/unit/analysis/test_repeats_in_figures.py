"""Points that differ in their seed alone: one curve, bar or panel, and the spread of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from drawn_figures import bars, labels
from figure_maker import data
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from table_maker import POINT, tables

from analysis.figures import joins, path_bytes, paths, resets
from analysis.figures.selection import repeats

SEEDS: list[dict[str, Any]] = [POINT | {"point": f"p{seed}", "seed": seed} for seed in (1, 2, 3)]


def spread(axes: Axes, container: int = -1) -> list[list[list[float]]]:
    """The lines of the error bars."""
    found = [each for each in axes.containers if isinstance(each, ErrorbarContainer)][container]
    return [np.round(segment, 9).tolist() for each in found.lines[2] for segment in each.get_segments()]


def test_repeats_share_a_panel_with_their_median_and_a_band() -> None:
    second = {"direction": "to-client", "whole": True, "path": "director", "second": 0}
    rates = dict(zip(("p1", "p2", "p3"), (10, 20, 60), strict=True))
    given = tables(seconds=[second | {"point": name, "payload_bytes": rate * 125_000} for name, rate in rates.items()])
    figure = Figure()
    assert paths.draw(figure, data(given, SEEDS))
    (axes,) = figure.axes
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[0.5, 20.0]]
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)
    assert (band[:, 1].min(), band[:, 1].max()) == (10.0, 60.0)
    assert axes.get_title(loc="left") == "MPTCP (3 seeds): median; band: minimum to maximum"
    alone = Figure()
    assert paths.draw(alone, data(given, SEEDS[:1]))
    assert not alone.axes[0].collections and alone.axes[0].get_title(loc="left") == "MPTCP"


def test_points_of_different_settings_are_no_repeats() -> None:
    points = [
        POINT | {"seed": seed, "parameters": f'{{"concurrency": {n}}}'} for seed, n in ((1, 10), (2, 10), (3, 20))
    ]
    assert [(name, len(members)) for name, members in repeats(points)] == [
        ("MPTCP, concurrency = 10 (2 seeds)", 2),
        ("MPTCP, concurrency = 20", 1),
    ]
    assert len(repeats([each | {"valid": each["seed"] != 2} for each in points])) == 3


def test_a_path_that_a_repeat_never_used_counts_as_nothing_there() -> None:
    second = {"direction": "to-client", "whole": True, "second": 0, "payload_bytes": 125_000}
    given = tables(
        seconds=[second | {"point": name, "path": "director"} for name in ("p1", "p2", "p3")]
        + [second | {"point": "p3", "path": "past", "server": "s1"}]
    )
    figure = Figure()
    assert paths.draw(figure, data(given, SEEDS))
    curves = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines}
    assert curves == {"anycast address": [1.0], "address of s1": [0.0]}


def test_repeats_are_one_bar_of_bytes_with_the_spread_of_each_part() -> None:
    subflow = {"connection": 0, "subflow": 0, "path": "director"}
    join = {"connection": 0, "subflow": 1, "path": "past", "server": "s1", "server_evidence": "address"}
    given = tables(
        subflows=[
            each | {"point": f"p{seed}", "bytes_to_client": size * 10**6}
            for seed, through in ((1, 20), (2, 30), (3, 40))
            for each, size in ((subflow, through), (join, 100 - through))
        ]
    )
    figure = Figure()
    assert path_bytes.draw(figure, data(given, SEEDS))
    (axes,) = figure.axes
    assert bars(axes) == {"anycast address": [30.0], "address of s1": [70.0]}
    assert spread(axes) == [[[20.0, 0.0], [40.0, 0.0]]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["MPTCP (3 seeds)"]
    assert axes.get_title(loc="left") == "mean of the seeds; bars: minimum and maximum"
    alone = Figure()
    assert path_bytes.draw(alone, data(given, SEEDS[:1]))
    assert not [each for each in alone.axes[0].containers if isinstance(each, ErrorbarContainer)]
    assert alone.axes[0].get_title(loc="left") == ""


def test_the_join_delay_of_repeats_is_pooled_in_a_band() -> None:
    connection = {"connection": 0, "protocol": "mptcp"}
    given = tables(
        connections=[
            connection | {"point": f"p{seed}", "connection": n, "join_wait_s": wait}
            for seed, waits in ((1, (0.01, 0.02)), (2, (0.01, None)))
            for n, wait in enumerate(waits)
        ]
    )
    figure = Figure()
    assert joins.draw(figure, data(given, SEEDS))
    (axes,) = figure.axes
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[0.01, 0.25], [0.01, 0.5], [0.02, 0.75]]
    at_20_ms = np.asarray(axes.collections[0].get_paths()[0].vertices)
    at_20_ms = at_20_ms[np.isclose(at_20_ms[:, 0], 0.02)]
    assert (at_20_ms[:, 1].min(), at_20_ms[:, 1].max()) == (0.5, 1.0)
    assert labels(figure) == ["MPTCP (3 seeds): 3 of 4"]
    assert axes.get_title(loc="left") == "seeds pooled; band: minimum to maximum"


def test_resets_of_repeats_are_averaged_with_their_spread() -> None:
    reset = {"in_workload": True, "cause": "refused"}
    counts = {"p1": 1, "p2": 6, "p3": 0}
    given = tables(
        resets=[reset | {"point": name, "t_s": 2.0} for name, count in counts.items() for _ in range(count)]
        + [reset | {"point": "p1", "t_s": 0.0}]
    )
    figure = Figure()
    assert resets.draw(figure, data(given, SEEDS))
    assert {name: np.round(each, 3).tolist() for name, each in bars(figure.axes[0]).items()} == {
        "refused: 8": [0.333, 2.333]
    }
    assert spread(figure.axes[0]) == [[[0.5, 0.0], [0.5, 1.0]], [[2.5, 0.0], [2.5, 6.0]]]
    assert figure.legends[0].get_title().get_text() == "RSTs by cause, in all 3 points"


def test_a_legend_of_long_names_has_fewer_columns() -> None:
    points = [POINT | {"point": f"p{n}", "parameters": f'{{"client_director_delay_s": 0.{n}}}'} for n in (1, 2)]
    given = tables(
        connections=[{"point": f"p{n}", "protocol": "mptcp", "connection": 0, "join_wait_s": 0.1} for n in (1, 2)]
    )
    figure = Figure(figsize=(7.2, 4))
    assert joins.draw(figure, data(given, points))
    (legend,) = figure.legends
    assert [each.get_text() for each in legend.get_texts()] == [
        "MPTCP, client_director_delay_s = 0.1: 1 of 1",
        "MPTCP, client_director_delay_s = 0.2: 1 of 1",
    ]
    assert legend._ncols == 2
    narrow = Figure(figsize=(5, 4))
    assert joins.draw(narrow, data(given, points))
    assert narrow.legends[0]._ncols == 1
