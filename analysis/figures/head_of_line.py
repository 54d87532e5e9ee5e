"""What the bytes of one connection waited for: the reordering buffer over time, and the wait of each packet's bytes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure as Canvas

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.selection import legend, numbers, rows

_KB = 1e3


def draw(canvas: Canvas, data: Data) -> bool:
    """The buffer above, below it how long what came at a time had to wait, by subflow; False without payload.

    Of the direction with more payload. What came in its order has waited 0 ms, and is not drawn.
    """
    if data.packets is None:
        return False
    ways = {way: rows(data.packets, direction=way) for way in ("to-client", "to-server")}
    packets = max(ways.values(), key=lambda table: float(numbers(table, "payload_bytes").sum()))
    held, at, waited = (numbers(packets, name) for name in ("held_bytes", "t_s", "wait_s"))
    if np.isnan(waited).all():
        return False
    canvas.set_figheight(max(canvas.get_figheight(), 5.2))
    above, below = canvas.subplots(2, 1, sharex=True)
    known = ~np.isnan(held)
    above.step(at[known], held[known] / _KB, where="post", color="black", linewidth=1.0, label="reordering buffer")
    above.set_ylim(bottom=0)
    above.set_ylabel("Held back (KB)")
    subflow = numbers(packets, "subflow")
    for number in np.unique(subflow).tolist():
        look = style.scheme(int(number))
        mine = (subflow == number) & (waited > 0)
        if mine.any():
            below.plot(
                at[mine], waited[mine] * 1e3, linestyle="none", marker=look.marker, markersize=3.5, color=look.colour,
                label=f"what came on subflow {int(number)}",
            )  # fmt: skip
    below.set_ylim(bottom=0)
    below.set_ylabel("Waited for what is before it (ms)")
    below.set_xlabel("Time since the workload's start (s)")
    if not (waited > 0).any():
        above.set_title("every byte came in its order", loc="right", fontsize=8.5)
    legend(canvas, [above, below], 3)
    return True


FIGURE = Figure("head-of-line", "waits for earlier bytes", "connection", draw)
