"""The round trips of one connection over time, subflow by subflow: by ACKs and time stamps, and one-way delays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure as Canvas

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.selection import legend, numbers, rows

_KINDS = (
    ("round_trip_s", "by ACKs", "full"),
    ("stamp_round_trip_s", "by time stamps", "none"),
    ("one_way_s", "one way", "left"),
)
"""Columns of the table of packets, what they are called, how their marks are filled."""

_MOST_MARKS = 4000
"""More marks of one kind are thinned out evenly: they would be a blot, and hundreds of kilobytes."""


def draw(canvas: Canvas, data: Data) -> bool:
    """A panel for each end: how long what it sent took, on each subflow; False without a sample.

    Round trips are those from the place of capture to the other end and back. Delayed ACKs have a cross.
    """
    if data.packets is None:
        return False
    panels = [(sender, acks) for sender, acks in _SENDERS.items() if _has_samples(data.packets, sender, acks)]
    if not panels:
        return False
    canvas.set_figheight(max(canvas.get_figheight(), 1.6 + 2.0 * len(panels)))
    every = list(canvas.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    for axes, (sender, acks) in zip(every, panels, strict=True):
        for number in sorted(set(data.packets["subflow"].to_pylist())):
            mine = rows(data.packets, subflow=number)
            look = style.scheme(int(number))
            for column, name, fill in _KINDS:
                # An acknowledgement tells of what the other end sent, a one-way delay of the packet itself.
                found = rows(mine, direction=sender if column == "one_way_s" else acks)
                at, took_ms = numbers(found, "t_s"), numbers(found, column) * 1e3
                late = pc.fill_null(found["delayed_ack"], False).to_numpy() & (column == "round_trip_s")
                known = np.flatnonzero(~np.isnan(took_ms))
                known = known[:: max(1, len(known) // _MOST_MARKS)]
                for chosen, marker, what in (
                    (known[~late[known]], look.marker, name),
                    (known[late[known]], "x", "delayed ACK"),
                ):
                    if len(chosen):
                        axes.plot(
                            at[chosen], took_ms[chosen], linestyle="none", marker=marker, markersize=4.0,
                            markeredgecolor=look.colour, color=look.colour, fillstyle=fill, markerfacecoloralt="white",
                            markeredgewidth=0.8, label=f"subflow {number}: {what}",
                        )  # fmt: skip
        axes.set_ylabel(f"What was sent to the {sender.removeprefix('to-')} (ms)")
        axes.set_ylim(bottom=0)
    every[-1].set_xlabel("Time since the workload's start (s)")
    legend(canvas, every, 2)
    return True


_SENDERS = {"to-server": "to-client", "to-client": "to-server"}
"""The direction of packets, and that of their acknowledgements."""


def _has_samples(packets: pa.Table, way: str, acks: str) -> bool:
    back, forth = rows(packets, direction=acks), rows(packets, direction=way)
    return any(
        table[column].null_count < len(table)
        for table, column in ((back, "round_trip_s"), (back, "stamp_round_trip_s"), (forth, "one_way_s"))
    )


FIGURE = Figure("round-trips", "round trips", "connection", draw)
