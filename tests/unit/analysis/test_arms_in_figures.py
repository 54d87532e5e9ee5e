"""The arms of a figure: what their curves are called, how they look, and what the paper prints beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from claim_points import SIZES, pages, timeline
from figure_maker import draw_figure
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from analysis.claims import CLAIMS
from analysis.figures import style
from analysis.summary import paper_values
from analysis.summary.curves import curve_of, curves, kernel_names, namer
from analysis.summary.model import PointSummary
from analysis.summary.text import render_table

PAPER, UPSTREAM = "MPTCP, as in the paper", "MPTCP, upstream"
ARMS = [*pages("7", "tcp", 94), *pages("7", "mptcp", 930), *pages("7", "mptcp", 655, scheme="upstream")]


def axes_of(points: list[PointSummary]) -> list[Axes]:
    figure = draw_figure("Fig.", points)
    assert figure is not None
    return list(figure.axes)


def looks(axes: Axes) -> dict[str, tuple[object, object]]:
    """Colour and marker of each curve by its name."""
    found = {}
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line = container.lines[0]
            found[str(container.get_label())] = (line.get_color(), line.get_marker())
    return found


def marks(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Where the paper's values are, by their label."""
    lines = [line for line in axes.lines if isinstance(line, Line2D) and line.get_color() == style.PAPER_COLOUR]
    return {str(line.get_label()): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())] for line in lines}


def test_every_scheme_has_a_curve_of_its_own_beside_tcp() -> None:
    rate, requests = axes_of(ARMS)
    assert list(looks(rate)) == ["TCP", PAPER, UPSTREAM]
    assert looks(rate) == looks(requests)
    assert len(set(looks(rate).values())) == 3


def test_a_scheme_looks_alike_whether_or_not_further_ones_are_there() -> None:
    alone = [point for point in ARMS if point.scheme != "upstream"]
    every = looks(axes_of(ARMS)[0])
    assert looks(axes_of(alone)[0]) == {name: every[name] for name in ("TCP", PAPER)}


def test_a_curve_in_real_time_and_one_of_another_kernel_say_so() -> None:
    assert curve_of("", "mptcp", "real") == "MPTCP (real time)"
    assert curve_of(PAPER, "mptcp", "real", "7.3") == f"{PAPER} (real time), Linux 7.3"
    points = [replace(point, kernel=kernel) for kernel in ("6.12.117", "7.3.4", "") for point in pages("7", "tcp", 90)]
    assert curves(points, namer(points)) == ["TCP, Linux 6.12", "TCP, Linux 7.3", "TCP"]
    assert curves(points[:7], namer(points[:7])) == ["TCP"]
    assert list(looks(axes_of(points)[0])) == ["TCP, Linux 6.12", "TCP, Linux 7.3", "TCP"]
    assert "TCP, Linux 7.3" in render_table(points)


@pytest.mark.parametrize(
    ("releases", "names"),
    [
        (["6.12.117", "6.12.117", ""], {}),
        (["6.12.117", "7.3.4"], {"6.12.117": "6.12", "7.3.4": "7.3"}),
        (["6.12.117", "6.12.95"], {"6.12.117": "6.12.117", "6.12.95": "6.12.95"}),
    ],
)
def test_a_kernel_is_called_by_as_much_as_tells_it_apart(releases: list[str], names: dict[str, str]) -> None:
    assert kernel_names(releases) == names


def test_what_the_paper_prints_is_marked_at_the_sizes_that_it_is_of() -> None:
    (found,) = marks(axes_of(ARMS)[0]).items()
    assert found == ("printed in the paper: MPTCP 942", [(500, 942), (1000, 942), (5000, 942), (10000, 942)])
    both = marks(axes_of([*pages("11", "mptcp", 800), *pages("11", "tcp", 8)])[0])
    assert list(both.values()) == [[(10000, 803)], [(10000, 16)]]
    assert next(iter(both)) == "printed in the paper: MPTCP 803, TCP 16"


def test_a_figure_of_which_the_paper_prints_nothing_or_without_those_sizes_has_no_mark() -> None:
    assert marks(axes_of(pages("9", "mptcp", 800))[0]) == {}
    assert marks(axes_of([point for point in ARMS if point.object_bytes < 500_000])[0]) == {}
    own = [replace(point, figure="", experiment="mine") for point in ARMS]
    assert marks(axes_of(own)[0]) == {}


def test_arms_over_time_have_a_line_each_and_the_papers_values_across() -> None:
    points = [timeline("14"), replace(timeline("14"), id="other", scheme="upstream", variant=UPSTREAM)]
    utilisation, resets = axes_of(points)
    labels = utilisation.get_legend_handles_labels()[1]
    assert [label for label in labels if label.startswith("MPTCP")] == [PAPER, UPSTREAM]
    assert "printed in the paper (2800)" in labels
    assert len(resets.containers) == 4  # received and sent, of each
    (tcp, _) = axes_of([timeline("13")])
    across = [line.get_ydata()[0] for line in tcp.lines if line.get_color() == style.PAPER_COLOUR]
    assert across == [2800, 1900]


def test_each_of_the_papers_values_is_that_of_a_claim_on_its_figure() -> None:
    for value in paper_values.VALUES:
        texts = [claim.paper for claim in CLAIMS if claim.figure == value.figure]
        assert any(f"{value.mbps:g}" in text or f"{value.mbps / 1000:g} Gbit/s" in text for text in texts), value
    assert {size for size in SIZES if paper_values.FIG07_MPTCP.is_of(size)} == set(SIZES[3:])
