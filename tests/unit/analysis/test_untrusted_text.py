"""Titles and names from files and strangers' runs: in figures, tables and pages they are text and nothing else."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import run_maker as runs
from figure_maker import draw_figure
from matplotlib.figure import Figure

from analysis.compare.agreement import Agreement
from analysis.compare.agreement_figure import agreement_figure
from analysis.figures import style
from analysis.figures.files import pdf_bytes, png_bytes, svg_bytes
from analysis.summary.model import PointSummary
from analysis.summary.text import figure_number, render_table

NAMES = (
    "the cost $x_{$ of it",
    r"\frac{ $\frac{1}{0$ {",
    "_hidden",
    "an\x1b[31mescape\x00 and\na line",
    "\udce9\u202e\u4e2d\u6587 \U0001f600",
    "x" * 10_000,
    "word " * 2_000,
    "<script>alert(1)</script>&amp;]]>--><!--",
)


def files_of(figure: Figure) -> bytes:
    """The figure as SVG, once it could be written in all three forms without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert png_bytes(figure).startswith(b"\x89PNG") and pdf_bytes(figure).startswith(b"%PDF")
        svg = svg_bytes(figure)
    ElementTree.fromstring(svg)  # whole, and no character that XML forbids
    return svg


def points(name: str) -> list[PointSummary]:
    """One point of each kind of figure, every text of which is the name."""
    page = runs.page_size_summary("mptcp", 100, 90.0)
    return [
        replace(page, title=name, experiment=name, condition=name, protocol=protocol, variant=name)
        for protocol in ("tcp", name)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_figures_draw_any_text_as_it_is(name: str) -> None:
    made = points(name)
    figure = draw_figure(name, made)
    assert figure is not None
    files_of(figure)
    shown = figure.get_suptitle()
    assert shown.count("\n") < 4 and len(shown) < 500
    if "$" in name:
        assert shown.replace("\n", " ") == name


def test_numbers_at_the_ticks_of_a_narrow_axis_are_no_formulas() -> None:
    figure = draw_figure("Fig. 7", [runs.page_size_summary("tcp", size, 90.0) for size in (100, 110)])
    assert figure is not None
    figure.draw_without_rendering()
    ticks = [tick.get_text() for axes in figure.axes for tick in axes.yaxis.get_ticklabels(which="both")]
    assert any(ticks) and not any("$" in text or "mathdefault" in text for text in ticks)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_one_line_and_always_shown(name: str) -> None:
    text = style.label(name)
    assert text.isprintable() and len(text) < 120 and not text.startswith("_")


def test_labs_with_any_name_can_be_compared_in_a_figure() -> None:
    files_of(agreement_figure(Agreement((NAMES[0], NAMES[3]), ())))


@pytest.mark.parametrize("name", [*NAMES, "p\nCOMMAND #"])
def test_a_summary_has_a_line_for_each_thing_that_it_says(name: str) -> None:
    point = replace(points(name)[0], id=name, valid=False, invalid_reasons=(name,))
    plain = render_table([replace(points("a")[0], id="a", valid=False, invalid_reasons=("b",))])
    found = render_table([point])
    assert found.count("\n") == plain.count("\n")
    assert "\x1b" not in found and "\nCOMMAND" not in found


@pytest.mark.parametrize(("figure", "number"), [("7", 7), ("07", 7), ("", None), ("7a", None), ("9" * 5000, None)])
def test_a_figure_has_a_number_or_none(figure: str, number: int | None) -> None:
    assert figure_number(figure) == number


def test_nothing_but_the_tests_of_this_room_reads_formulas() -> None:
    """Every figure is made under `style.settings`, and nothing turns formulas on again."""
    for path in Path(style.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("mpl.rc_context(dict(RC) | more)", "")
        assert "parse_math=True" not in text and "rc_context(" not in text
