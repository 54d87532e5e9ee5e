"""The sequence plot of one connection: which bytes travelled when, and on which subflow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.selection import Numbers, legend, numbers, path_name, rows, whose_address

_WRAP = 1 << 32
_MANY = 2000
"""So many packets of a subflow run into a line: their marks are small."""
_CROSSES = ("+", "x", "1", "2")


def draw(canvas: Canvas, data: Data) -> bool:
    """Draw the packets with payload of one connection; False where there are none.

    The vertical axis is the data sequence number of MPTCP, or for TCP the sequence number, from the connection's
    first byte on. Bytes that its subflow had sent before are hollow, those that another one had sent
    have a cross (reinjected, RFC 8684 section 3.3.6).
    """
    if data.packets is None:
        return False
    packets, service_path = data.packets, data.points[0]["service_path"]
    sent = packets.filter(pc.greater(packets["payload_bytes"], 0))
    ways = {way: rows(sent, direction=way) for way in ("to-client", "to-server")}
    sent = max(ways.values(), key=lambda table: float(numbers(table, "payload_bytes").sum()))
    if not len(sent):
        return False
    is_mptcp = sent["dsn"].null_count < len(sent)
    sent = sent.filter(pc.is_valid(sent["dsn"])) if is_mptcp else sent
    at, size = numbers(sent, "t_s"), numbers(sent, "payload_bytes")
    place = relative(numbers(sent, "dsn" if is_mptcp else "seq").astype(np.int64))
    subflow = numbers(sent, "subflow").astype(np.int64)
    again = repeated(place, size)
    own = np.zeros(len(sent), np.bool_)
    for number in np.unique(subflow):
        own[subflow == number] = repeated(place[subflow == number], size[subflow == number])
    paths = sent["path"].to_pylist()
    subflows = rows(data.tables["subflows"], point=data.points[0]["point"], connection=data.connection).to_pylist()
    own_addresses = {each["subflow"] for each in subflows if whose_address(each)}
    axes = canvas.subplots()
    for number in np.unique(subflow):
        mine = subflow == number
        look = style.scheme(int(number))
        path = paths[int(np.flatnonzero(mine)[0])]
        is_own = path == "past" and number in own_addresses
        name = "a server's own address" if is_own else path_name(path, None, service_path)
        cross = _CROSSES[int(number) % len(_CROSSES)]
        small = 4.0 if mine.sum() < _MANY else 1.8
        # What was sent before is larger and above all the rest, which is seen through it: it is what one looks for.
        for chosen, marker, edge, points, above, label in (
            (mine & ~again, look.marker, look.colour, small, 0, f"subflow {number}, {name}"),
            (mine & own, look.marker, "black", 7.0, 1, f"subflow {number}: sent again"),
            (mine & again & ~own, cross, "black", 7.0, 1, f"subflow {number}: reinjected"),
        ):
            if chosen.any():
                # The fewest are the last to be covered.
                order = 3 + above - chosen.sum() / len(sent)
                axes.plot(
                    at[chosen], place[chosen] / 1e6, linestyle="none", marker=marker, markersize=points,
                    markerfacecolor="none" if above else edge, markeredgecolor=edge, markeredgewidth=0.8, label=label,
                    zorder=order,
                )  # fmt: skip
    axes.set_xlabel("Time since the workload's start (s)")
    axes.set_ylabel("Data sequence number (MB)" if is_mptcp else "Sequence number (MB)")
    legend(canvas, [axes], 2)
    return True


def relative(numbers_sent: NDArray[np.int64]) -> Numbers:
    """Sequence numbers of 32 bits as distances from the smallest, across the wrap; bytes. In order of time."""
    steps = np.diff(numbers_sent, prepend=numbers_sent[:1])
    steps = (steps + _WRAP // 2) % _WRAP - _WRAP // 2
    unwrapped = np.cumsum(steps).astype(np.float64)
    found: Numbers = unwrapped - unwrapped.min(initial=0.0)
    return found


def repeated(first: Sequence[float] | Numbers, size: Sequence[float] | Numbers) -> NDArray[np.bool_]:
    """Which packets, in order of time, start with a byte that one before them had already carried.

    Bytes that come late, through a slower path, are none: what counts is what was sent, not what was highest.
    Positions and sizes are whole numbers of bytes: a sum of fractions can end beyond the start of the next.
    """
    spans: list[tuple[float, float]] = []
    found = np.zeros(len(first), np.bool_)
    for row, (start, length) in enumerate(zip(first, size, strict=True)):
        end = start + length
        place = _place(spans, start)
        found[row] = place > 0 and start < spans[place - 1][1]
        _add(spans, start, end)
    return found


def _place(spans: Sequence[tuple[float, float]], start: float) -> int:
    """How many spans begin at `start` or before."""
    low, high = 0, len(spans)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if spans[middle][0] <= start else (low, middle)
    return low


def _add(spans: list[tuple[float, float]], start: float, end: float) -> None:
    """Join a span to those that it touches."""
    place = _place(spans, start)
    if place and spans[place - 1][1] >= start:
        place -= 1
        start = spans[place][0]
    last = place
    while last < len(spans) and spans[last][0] <= end:
        end = max(end, spans[last][1])
        last += 1
    spans[place:last] = [(start, end)]


FIGURE = Figure("sequence", "sequence numbers", "connection", draw, tables=("subflows",))
