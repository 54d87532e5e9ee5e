"""Every figure: what its axes say, and that all of it can be read.

The anycast figures are drawn from an excerpt of a real run (cut by `excerpt_maker.py`), the others from made points.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run_maker as runs
from figure_maker import draw_figure, draw_point, drawings, registry
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.compare.agreement import compare, tolerances
from analysis.compare.agreement_figure import agreement_figure
from analysis.figures.drawing import Drawing, draw
from analysis.figures.gallery import of_point, of_run, tables_of_a_run
from analysis.figures.style import PNG_DPI
from analysis.summary.model import PointSummary, read_summary
from analysis.tables import read_table

RUN = Path(__file__).with_name("data") / "anycast-run"
TCP, MPTCP = "fig13-tcp-100MB-seed1", "fig14-mptcp-100MB-seed1"
TIME = "Time since the workload's start (s)"


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return {name: read_table(RUN, name) for name in tables_of_a_run(registry(), "point", "connection")}


@pytest.fixture(scope="module")
def real(tables: dict[str, pa.Table]) -> dict[str, Figure]:
    """Every figure that the run has, by name; drawn once."""
    found = {}
    packets = {0: read_packets()}.__getitem__
    for drawing in (
        *drawings(read_summary(RUN)),
        *of_run(registry(), tables),
        *of_point(registry(), tables, TCP, ["subflows"]),
        *of_point(
            registry(),
            tables,
            MPTCP,
            ["subflows", "sequence", "round-trips", "flight", "head-of-line"],
            packets=packets,
        ),
    ):
        if (canvas := draw(drawing)) is not None:
            found[drawing.name] = canvas
    return found


def read_packets() -> pa.Table:
    return pq.read_table(RUN / "packets.parquet")


def axis_labels(figure: Figure) -> list[tuple[str, str]]:
    return [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]


def curve(axes: Axes, label: str) -> np.ndarray[Any, Any]:
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return np.asarray(line.get_ydata(), float)


PAGE_SIZE = [("", "Transfer rate (Mbit/s)"), ("Page size (KB)", "Requests per second")]
TIMELINE = [("", "Link utilisation (Mbit/s)"), (TIME, "RST per second")]
BYTES = [("Payload, retransmissions included", "")]
START = "Time since the connection's first SYN"
OF_THE_RUN = {
    "fig13": TIMELINE,
    "fig14": TIMELINE,
    "fig13-bytes": BYTES,
    "fig14-bytes": BYTES,
    "fig14-join-delay": [("From the initial SYN+ACK to the first SYN+ACK of a join", "Connections that have joined")],
    "fig13-paths": [(TIME, "Payload (Mbit/s)")],
    "fig14-paths": [(TIME, "Payload (Mbit/s)")],
    "fig13-resets": [(TIME, "RST per second")],
    f"{TCP}-subflows": [(TIME, ""), (START, "")],
    f"{MPTCP}-subflows": [(TIME, ""), (START, "")],
    f"{MPTCP}-sequence-0": [(TIME, "Data sequence number (MB)")],
    f"{MPTCP}-flight-0": [("", "Subflow 0 (KB)"), (TIME, "Subflow 1 (KB)")],
    f"{MPTCP}-head-of-line-0": [("", "Held back (KB)"), (TIME, "Waited for what is before it (ms)")],
    f"{MPTCP}-round-trips-0": [(TIME, "What was sent to the server (ms)")],
}
MADE = {
    **dict.fromkeys(("fig06", "fig07", "fig08", "fig09", "fig10", "fig11", "upload"), PAGE_SIZE),
    "ablation": [
        ("Time since the connection's SYN", "Connections that have got it"),
        ("Time since the connection's SYN+ACK", "Connections that still wait"),
        ("", ""),
        ("", ""),
    ],
    "agreement": [
        ("goodput (Mbit/s)", ""),
        ("bypass (%)", ""),
        ("joins (% of connections)", ""),
        ("failures (% of connections)", ""),
        ("resets (per connection)", ""),
    ],
}


@pytest.fixture(scope="module")
def made() -> dict[str, Figure]:
    """The figures of other experiments, from made points: as many curves, seeds and names as there are."""
    found: dict[str, Figure] = {}
    for name in ("fig06", "fig07", "fig08", "fig09", "fig10", "fig11", "upload"):
        number = name[3:].lstrip("0") if name.startswith("fig") else ""
        title = "Page loads, client-director link at 100 Mbit/s with 200 ms of delay and 1 % loss"
        about = {"figure": number, "experiment": name, "title": title}
        points = [
            runs.page_size_summary(protocol, size, rate, seed=seed, clock=clock, **about)
            for protocol, rate in (("tcp", 94.0), ("mptcp", 900.0))
            for clock in (("virtual", "real") if name == "fig06" else ("virtual",))
            for size in (10, 50, 100, 500, 1000, 5000, 10000)
            for seed in (1, 2)
        ]  # fmt: skip
        found |= {each.name: canvas_of(each) for each in drawings(points)}
    names = ("TCP", "MPTCP, no flag", "flag only", "flag + ADD_ADDR, 120 s", "+ resend", "+ close initial")
    found["ablation"] = drawn("Schemes", [runs.ablation_summary(name, waits_s=(0.03, 0.04, 1.05)) for name in names])
    ours = [runs.page_size_summary("mptcp", 1000, 90.0)]
    theirs = [runs.page_size_summary("mptcp", 1000, 99.0, clock="real")]
    found["agreement"] = agreement_figure(compare(("uml", "local"), ours, theirs, tolerances({})))
    return found


def canvas_of(drawing: Drawing) -> Figure:
    canvas = draw(drawing)
    assert canvas is not None
    return canvas


def drawn(title: str, points: list[PointSummary]) -> Figure:
    figure = draw_figure(title, points)
    assert figure is not None
    return figure


def test_the_axes_of_every_figure_of_a_real_run(real: dict[str, Figure]) -> None:
    assert {name: axis_labels(figure) for name, figure in real.items()} == OF_THE_RUN
    kinds = {figure.name for figure in registry().of_scope("run", "point", "connection")}
    assert {kind for kind in kinds for name in real if f"-{kind}" in name} == kinds


def test_the_axes_of_every_other_figure(made: dict[str, Figure]) -> None:
    assert {name: axis_labels(figure) for name, figure in made.items()} == MADE
    scales = [(axes.get_xscale(), axes.get_yscale()) for axes in made["fig07"].axes]
    assert scales == [("log", "linear"), ("log", "log")]


def test_a_quantity_without_a_unit_in_its_label_has_it_at_the_ticks(real: dict[str, Figure]) -> None:
    for name, unit in (("fig14-bytes", "%"), ("fig14-join-delay", "s"), (f"{MPTCP}-subflows", "s")):
        axes = real[name].axes[-1]
        real[name].draw_without_rendering()
        shown = [text.get_text() for text in axes.get_xticklabels() if text.get_text()]
        assert shown and all(text.endswith(unit) for text in shown), (name, shown)


def test_the_figures_show_what_the_real_run_measured(real: dict[str, Figure]) -> None:
    tcp, mptcp = curve(real["fig13"].axes[0], "TCP"), curve(real["fig14"].axes[0], "MPTCP")
    assert len(tcp) == len(mptcp) == 120
    assert 2800 < tcp[5] < 2824.5 and 1850 < tcp[13] < 1900  # all three servers, and two
    assert mptcp.min() > 2760 and mptcp.max() < 2771
    paths = real["fig14-paths"].axes[0]
    together = sum(curve(paths, f"address of s{n}") for n in (1, 2, 3)) + curve(paths, "anycast address")
    assert np.allclose(together, mptcp, atol=0.01)
    resets = [text.get_text() for text in real["fig13-resets"].legends[0].get_texts()]
    assert resets == [
        "no-socket, server removed: 650", "no-socket, server added: 112",
        "closed-socket, server removed: 683", "closed-socket, server added: 478",
    ]  # fmt: skip


def unreadable(figure: Figure) -> list[str]:
    """Text that leaves the figure, tick labels that run into each other, a legend that covers a panel."""
    figure.draw_without_rendering()
    page = figure.bbox
    texts, found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())], []
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        texts += [each for each in axes.get_children() if isinstance(each, Text)]  # titles at the left and the right
        for axis in (axes.xaxis, axes.yaxis):
            ticks = tick_labels(axis)
            texts += ticks
            found += [
                f"{one.get_text()!r} runs into {other.get_text()!r}"
                for one, other in combinations(ticks, 2)
                if one.get_window_extent().overlaps(other.get_window_extent())
            ]
        if any(legend.get_window_extent().overlaps(axes.bbox) for legend in figure.legends):
            found.append("the legend covers a panel")
    for text in dict.fromkeys(texts):
        box = text.get_window_extent()
        if text.get_text().strip() and min(box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1) < -1:
            found.append(f"{text.get_text()!r} leaves the figure")
    return found


def tick_labels(axis: Axis) -> list[Text]:
    """Those that are drawn: within the axis, and with a text."""
    low, high = sorted(axis.get_view_interval())
    margin = (high - low) * 1e-9
    inside = [each for each in axis.get_major_ticks() if low - margin <= each.get_loc() <= high + margin]
    return [each.label1 for each in inside if each.label1.get_visible() and each.label1.get_text()]


def test_nothing_is_clipped_or_covered(real: dict[str, Figure], made: dict[str, Figure]) -> None:
    assert {figure.dpi for figure in (real | made).values()} == {PNG_DPI}  # letters are as wide as they will be
    found = {name: unreadable(figure) for name, figure in (real | made).items()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_the_check_for_what_cannot_be_read_finds_it() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.set_xticks([0.5, 0.51], ["one", "two"])
    axes.plot([0, 1], label="x")
    figure.text(0.99, 0.5, "too far right")
    figure.legend(loc="center")
    assert unreadable(figure) == [
        "'one' runs into 'two'", "the legend covers a panel", "'too far right' leaves the figure",
    ]  # fmt: skip


def test_the_figures_of_a_real_point_are_written_as_png_pdf_and_svg(
    tables: dict[str, pa.Table], tmp_path: Path
) -> None:
    kinds = ("subflows", "sequence")
    written = draw_point(tables, MPTCP, tmp_path, kinds, packets={0: read_packets()}.__getitem__)
    assert [path.name for path in written] == [
        f"{MPTCP}-{name}.{suffix}" for name in ("subflows", "sequence-0") for suffix in ("png", "pdf", "svg")
    ]
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF-", ".svg": b"<?xml"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in written)
