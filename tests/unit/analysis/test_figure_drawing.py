from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import run_maker as runs
from figure_maker import draw_figure, draw_figures, drawings
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.figures import style
from analysis.summary.model import PointSummary
from testbed.base.errors import AnalysisError

SIZES = (10, 50, 100, 500, 1000, 5000, 10000)
PRINTED = "printed in the paper: MPTCP 942"


def page_size_points(**changes: object) -> list[PointSummary]:
    tcp = [runs.page_size_summary("tcp", size, 90.0 + i / 2, **changes) for i, size in enumerate(SIZES)]  # type: ignore[arg-type]
    mptcp = [runs.page_size_summary("mptcp", size, 90.0 + 120 * i, **changes) for i, size in enumerate(SIZES)]  # type: ignore[arg-type]
    return tcp + mptcp


def drawn(title: str, points: list[PointSummary]) -> Figure:
    figure = draw_figure(title, points)
    assert figure is not None
    return figure


def curves(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The curves with a legend entry, by name."""
    handles, labels = axes.get_legend_handles_labels()
    found = {}
    for handle, label in zip(handles, labels, strict=True):
        line = handle[0] if isinstance(handle, tuple) else handle
        if hasattr(line, "get_xydata"):
            found[label] = [(float(x), float(y)) for x, y in line.get_xydata()]
    return found


def hollow(axes: Axes) -> list[tuple[float, float]]:
    marks = [line for line in axes.lines if line.get_label() == "_invalid" and line.get_markerfacecolor() == "none"]
    return [(float(x), float(y)) for line in marks for x, y in np.asarray(line.get_xydata())]


def test_page_size_panels_have_a_curve_per_protocol_and_the_wire_limits() -> None:
    rate, requests = drawn("Fig. 7", page_size_points()).axes
    assert set(curves(rate)) == {"TCP", "MPTCP", "wire limit: TCP 94.1, MPTCP 925", PRINTED}
    assert curves(rate)["TCP"] == [(size, 90.0 + i / 2) for i, size in enumerate(SIZES)]
    assert np.allclose(curves(requests)["MPTCP"][0], (10, 1125))
    assert [np.asarray(line.get_ydata())[0] for line in rate.lines if line.get_linestyle() == ":"] == [94.1, 925.0]
    assert rate.get_ylabel() == "Transfer rate (Mbit/s)"
    assert (requests.get_xlabel(), requests.get_xscale()) == ("Page size (KB)", "log")
    drawn_ticks = [requests.xaxis.get_major_formatter()(x, 0) for x in requests.get_xticks()]
    assert drawn_ticks == ["10", "50", "100", "500", "1000", "5000", "10000"]


def test_two_clocks_give_four_curves() -> None:
    rate, _ = drawn("Fig. 6", page_size_points() + page_size_points(clock="real")).axes
    assert set(curves(rate)) == {
        "TCP", "MPTCP", "TCP (real time)", "MPTCP (real time)", "wire limit: TCP 94.1, MPTCP 925", PRINTED,
    }  # fmt: skip


def test_the_legend_of_four_curves_and_two_limits_fits_into_the_figure() -> None:
    points = [
        runs.page_size_summary(protocol, 100, 90, clock=clock)
        for protocol in ("tcp", "mptcp")
        for clock in ("virtual", "real")
    ]
    figure = draw_figure("Fig. 6: all", points)
    assert figure is not None
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1


def test_repeats_are_averaged_with_bars_from_minimum_to_maximum() -> None:
    points = [runs.page_size_summary("tcp", 1000, rate, seed=i) for i, rate in enumerate((80.0, 90.0, 94.0))]
    rate, _ = drawn("Fig. 7", points).axes
    assert curves(rate)["TCP"] == [(1000, 88.0)]
    bars = rate.containers[0].lines[2][0].get_segments()  # type: ignore[attr-defined]
    assert bars[0][:, 1].tolist() == [80.0, 94.0]
    assert rate.get_title(loc="left") == "mean over seeds; bars: minimum and maximum"


@pytest.mark.parametrize("rate", [0.1, 0.7, 93.3, 979.9])
def test_repeats_that_are_all_the_same_have_bars_of_no_length(rate: float) -> None:
    # The mean of three times 0.1 is not 0.1 but for the last bit.
    drawn("Fig. 7", [runs.page_size_summary("tcp", 1000, rate, seed=seed) for seed in (1, 2, 3)])


def test_invalid_points_are_hollow_off_the_curve_and_noted() -> None:
    bad = runs.page_size_summary("tcp", 1000, 50.0, seed=2, valid=False, invalid_reasons=("x",))
    figure = drawn("Fig. 7", [*page_size_points(), bad])
    rate = figure.axes[0]
    assert hollow(rate) == [(1000.0, 50.0)]
    assert (1000, 92.0) in curves(rate)["TCP"]
    assert rate.get_title(loc="right") == "hollow: invalid, see summary"


def test_a_figure_of_valid_points_has_no_note() -> None:
    figure = drawn("Fig. 7", page_size_points())
    assert figure.axes[0].get_title(loc="right") == ""
    assert hollow(figure.axes[0]) == []


def test_timeline_panels_show_utilisation_resets_and_churn() -> None:
    utilisation, resets = drawn("Fig. 13", [runs.timeline_summary("tcp")]).axes
    curve = curves(utilisation)["TCP"]
    assert len(curve) == 30
    assert np.allclose(curve[9], (9.5, 2860))
    assert curve[10] == (10.5, 1900.0)
    received, sent = (container for container in resets.containers if isinstance(container, BarContainer))
    assert [bar.get_height() for bar in received.patches[9:12]] == [0, 120, 0]
    assert [bar.get_height() for bar in sent.patches[9:12]] == [0, 30, 0]
    spans = [patch for patch in utilisation.patches if isinstance(patch, Rectangle)]
    assert [(span.get_x(), span.get_width()) for span in spans] == [(10.0, 5.0), (25.0, 5.0)]
    labels = {str(line.get_label()) for line in utilisation.lines}
    assert {"server removed", "server added"} <= labels
    assert len([line for line in resets.lines if "server" in str(line.get_label())]) == 3


def test_timelines_of_several_seeds_are_averaged() -> None:
    points = [runs.timeline_summary("mptcp", seed=seed) for seed in (1_000_000, 3_000_000)]
    utilisation, resets = drawn("Fig. 14", points).axes
    assert curves(utilisation)["MPTCP"][0] == (0.5, 2862.0)
    assert len(utilisation.collections) == 1
    assert [text.get_text() for text in resets.texts] == ["no RST"]


def test_an_invalid_timeline_is_hollow_and_noted() -> None:
    figure = drawn("Fig. 13", [runs.timeline_summary("tcp", valid=False, invalid_reasons=("x",))])
    utilisation, resets = figure.axes
    assert set(curves(utilisation)) >= {"TCP (invalid)"}
    bars = [bar for box in resets.containers if isinstance(box, BarContainer) for bar in box.patches]
    assert len(bars) == 60
    assert all(bar.get_facecolor() == (0, 0, 0, 0) for bar in bars)
    assert utilisation.get_title(loc="right") == "hollow: invalid, see summary"


def test_each_figure_is_a_png_a_pdf_and_an_svg(tmp_path: Path) -> None:
    points = [
        *page_size_points(),
        *page_size_points(figure="6", clock="real"),
        runs.timeline_summary("tcp"),
        runs.timeline_summary("mptcp"),
        runs.timeline_summary("mptcp", figure="", experiment="my own/churn"),
        PointSummary(id="broken", invalid_reasons=("point.json: No such file or directory",)),
    ]
    paths = draw_figures(tmp_path, points)
    names = ["fig06", "fig07", "fig13", "fig14", "my-own-churn"]
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        f"figures/{name}.{kind}" for name in names for kind in ("png", "pdf", "svg")
    ]
    for path in paths:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert struct.unpack(">II", content[16:24]) == (960, 900)
        else:
            assert content.startswith(b"%PDF-" if path.suffix == ".pdf" else b"<?xml")
        assert len(content) > 10_000


def test_the_same_points_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [*page_size_points(), runs.timeline_summary("tcp")]
    contents = []
    for name, now in (("first", "1000000000"), ("second", "1500000000")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)
        (tmp_path / name).mkdir()
        contents.append([path.read_bytes() for path in draw_figures(tmp_path / name, points)])
    assert contents[0] == contents[1]


def test_figures_without_anything_to_show_are_skipped(tmp_path: Path) -> None:
    empty = [
        runs.page_size_summary("tcp", 10, 1.0, goodput_bps=None, valid=False),
        runs.timeline_summary("tcp", per_second=None, valid=False),
    ]
    assert draw_figures(tmp_path, empty) == []
    assert not (tmp_path / "figures").exists()


def test_two_figures_of_one_name_get_two_files() -> None:
    points = [runs.timeline_summary("tcp"), runs.timeline_summary("tcp", figure="", experiment="fig13")]
    assert [drawing.name for drawing in drawings(points)] == ["fig13", "fig13-2"]


def test_a_title_is_folded_between_words_but_not_between_a_number_and_its_unit() -> None:
    assert style.folded("Page loads with delay 200 ms", 2.0) == "Page loads with delay\n200\N{NO-BREAK SPACE}ms"


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("in the way")
    with pytest.raises(AnalysisError, match="figures: cannot be written: not a directory"):
        draw_figures(tmp_path, page_size_points())
