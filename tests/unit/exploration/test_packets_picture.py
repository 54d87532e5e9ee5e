"""The picture of an exploration, packet by packet: what its axes say, and that its legend hides nothing."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures.exploration import packets

BASE = [
    {"packet": 1, "direction": "client to server", "kind": "SYN"},
    {"packet": 2, "direction": "server to client", "kind": "SYN+ACK"},
]
LOST = [
    {"packet": 1, "fault": "lost", "delay_s": None, "applied": True, "outcome": "slower", "extra_s": 1.04},
    {"packet": 2, "fault": "lost", "delay_s": None, "applied": True, "outcome": "ok", "extra_s": 0.0},
]


def test_the_costs_have_numbers_beside_them_and_the_legend_stands_below_the_axis() -> None:
    canvas = packets(LOST, BASE, "one fault")
    drawn = FigureCanvasAgg(canvas)
    drawn.draw()
    costs, grid = canvas.axes
    texts = [each.get_text() for each in costs.get_yticklabels(which="both")]
    assert {"0.0001", "0.001", "0.01", "0.1", "1"} <= set(texts)
    assert not any("$" in each for each in texts)
    (legend,) = canvas.legends
    assert [each.get_text() for each in legend.get_texts()] == ["ok", "slower"]
    below, label = (each.get_window_extent(drawn.get_renderer()) for each in (legend, grid.xaxis.label))
    assert below.y1 <= label.y0
