"""The figure that compares variants: curves of waits, bars of shares and joins, one figure per condition."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import run_maker as runs
from figure_maker import draw_figure, draw_figures, drawings
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from pytest import approx

from analysis.flows.joins import Joins
from analysis.summary.model import PointSummary

FLAG, FULL = "flag only", "flag + ADD_ADDR"


def points() -> list[PointSummary]:
    return [
        runs.ablation_summary("TCP"),
        runs.ablation_summary(FLAG),
        runs.ablation_summary(FULL, waits_s=(0.03, 0.04, 1.05), director_bypass_share=0.7),
    ]


def drawn(shown: list[PointSummary]) -> Figure:
    figure = draw_figure("Schemes", shown)
    assert figure is not None
    return figure


def curve(axes: Axes, name: str) -> list[tuple[float, float]]:
    (line,) = [line for line in axes.lines if line.get_label() == name]
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def close_to(pairs: list[tuple[float, float]]) -> list[object]:
    return [(approx(x), approx(y)) for x, y in pairs]


def bars(axes: Axes) -> list[list[float]]:
    """The widths of each group of bars."""
    return [[patch.get_width() for patch in container.patches] for container in axes.containers]  # type: ignore[attr-defined]


def test_the_curves_step_up_to_the_share_that_got_there() -> None:
    bypass, waiting, _, _ = drawn(points()).axes
    assert curve(bypass, FULL)[1:-1] == close_to([(0.05, 0.25), (0.06, 0.5), (1.07, 0.75)])
    assert curve(bypass, FULL)[-1][1] == 0.75
    assert {share for _, share in curve(bypass, FLAG)} == {0.0}
    assert curve(waiting, FULL)[1:-1] == close_to([(0.03, 0.75), (0.04, 0.5), (1.05, 0.25)])
    assert {share for _, share in curve(waiting, FLAG)} == {1.0}
    assert (bypass.get_xscale(), waiting.get_xscale(), waiting.get_yscale()) == ("log", "log", "log")
    assert waiting.get_ylim()[0] < 1 / 4  # one connection of four is seen


def test_tcp_has_bars_but_no_curve() -> None:
    bypass, waiting, share, joins = drawn(points()).axes
    assert [line.get_label() for line in bypass.lines] == [FLAG, FULL]
    assert [line.get_label() for line in waiting.lines] == [FLAG, FULL]
    assert [text.get_text() for text in share.get_yticklabels()] == ["TCP", FLAG, FULL]
    assert bars(share) == [[0.0], [0.0], [70.0]]
    of_three_kinds = [bars(joins)[first : first + 3] for first in (0, 3, 6)]
    assert of_three_kinds == [[[0.0]] * 3, [[0.0], [0.25], [0.0]], [[0.75], [0.0], [0.0]]]


def test_joins_are_stacked_as_accepted_refused_and_unanswered() -> None:
    scheme = runs.ablation_summary("no flag", joins=Joins(asked=4, accepted=1, refused=2, unanswered=1, reset=0))
    _, _, _, joins = drawn([scheme]).axes
    assert bars(joins) == [[0.25], [0.5], [0.25]]
    assert [text.get_text() for text in joins.get_legend().get_texts()] == ["accepted", "refused", "unanswered"]  # type: ignore[union-attr]


def test_repeats_are_pooled() -> None:
    repeats = [
        runs.ablation_summary(FULL, waits_s=waits, director_bypass_share=share, seed=seed)
        for seed, (waits, share) in enumerate((((0.03,), 0.5), ((0.02, 0.04), 0.9)))
    ]
    bypass, _, share, _ = drawn(repeats).axes
    assert curve(bypass, FULL)[1:-1] == close_to([(0.04, 1 / 8), (0.05, 2 / 8), (0.06, 3 / 8)])
    assert [text.get_text() for text in share.texts] == ["70%"]


def test_an_invalid_variant_has_no_curve_and_hollow_bars() -> None:
    bad = runs.ablation_summary(FULL, waits_s=(0.03,), valid=False, invalid_reasons=("x",))
    figure = drawn([runs.ablation_summary(FLAG), bad])
    bypass, _, share, _ = figure.axes
    assert [line.get_label() for line in bypass.lines] == [FLAG]
    assert [box.patches[0].get_facecolor() for box in share.containers][-1] == (0, 0, 0, 0)  # type: ignore[attr-defined]
    assert bypass.get_title(loc="right") == "hollow: invalid, see summary"


def test_variants_look_different_in_colour_line_and_marker() -> None:
    names = [f"scheme {number}" for number in range(9)]
    bypass = drawn([runs.ablation_summary(name, waits_s=(0.03, 0.04)) for name in names]).axes[0]
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in bypass.lines}
    assert len(looks) == len({line.get_marker() for line in bypass.lines}) == len(names)


def test_each_condition_has_a_figure_of_its_own(tmp_path: Path) -> None:
    every = [*points(), *(runs.ablation_summary(name, condition="no loss") for name in ("TCP", FLAG))]
    assert [(each.name, each.title, len(each.data.summaries)) for each in drawings(every)] == [
        ("mine-1-loss", "mine: Schemes: 1 % loss", 3),
        ("mine-no-loss", "mine: Schemes: no loss", 2),
    ]
    paths = draw_figures(tmp_path, every)
    assert [path.name for path in paths] == [
        f"mine-{name}-loss.{kind}" for name in ("1", "no") for kind in ("png", "pdf", "svg")
    ]
    assert struct.unpack(">II", paths[0].read_bytes()[16:24]) == (1350, 1050)


def test_variants_in_several_kernels_stand_apart_and_say_which() -> None:
    both = [replace(point, kernel=kernel) for kernel in ("6.12.117", "7.3.4") for point in points()[1:]]
    bypass, _, share, _ = drawn(both).axes
    names = [f"{name}, Linux {kernel}" for kernel in ("6.12", "7.3") for name in (FLAG, FULL)]
    assert bypass.get_legend_handles_labels()[1] == names
    assert [label.get_text() for label in share.get_yticklabels()] == names


def test_a_point_without_packets_has_no_figure() -> None:
    assert draw_figure("x", [runs.ablation_summary(FLAG, connections=0)]) is None
    assert draw_figure("x", [runs.ablation_summary(FLAG, connections=4)]) is not None


def test_equal_shares_of_several_seeds_have_no_spread() -> None:
    # Three times this, divided by three, is less by the last bit.
    of_seeds = [runs.ablation_summary(FLAG, seed=seed, director_bypass_share=0.9309235001073491) for seed in (1, 2, 3)]
    share = drawn(of_seeds).axes[2]
    (line,) = [each for each in share.collections if isinstance(each, LineCollection)]
    assert [(segment[0][0], segment[1][0]) for segment in line.get_segments()] == [(approx(93.0923500107349),) * 2]
