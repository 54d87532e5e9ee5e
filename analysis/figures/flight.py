"""What one connection had in flight over time, and what it might have had: the windows of receiver and sender."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from analysis.figures import style
from analysis.figures.declaration import Data, Figure
from analysis.figures.selection import legend, numbers, rows
from analysis.summary.fidelity import LONGER_HEADER_BYTES, PAYLOAD_BYTES
from testbed.base.families import family_of

_SHORTER_ACK_BYTES = 4
"""A client that uploads has got no data, and acknowledges none with 64 bits (`testbed.wire`)."""

_KB = 1e3


def draw(canvas: Canvas, data: Data) -> bool:
    """A panel per subflow in the direction with more payload; False where nothing was in flight.

    Flight is what the place of capture saw: at the receiver what is on the way to it is missing. The congestion window
    is the kernel's own word, of points that recorded `probes` (`[trace]`).
    """
    if data.packets is None:
        return False
    sent = {way: float(numbers(rows(data.packets, direction=way), "payload_bytes").sum()) for way in _WAYS}
    way = max(sent, key=lambda each: sent[each])
    told = pc.or_(pc.is_valid(data.packets["flight_bytes"]), pc.is_valid(data.packets["window_bytes"]))
    packets = data.packets.filter(told)
    subflows = sorted(set(rows(packets, direction=way)["subflow"].to_pylist()))
    if not subflows:
        return False
    canvas.set_figheight(max(canvas.get_figheight(), 1.6 + 1.8 * len(subflows)))
    panels = list(canvas.subplots(len(subflows), 1, sharex=True, squeeze=False)[:, 0])
    point = data.points[0]["point"]
    probes = rows(data.tables["kernel_probes"], point=point, connection=data.connection, end=_WAYS[way])
    for axes, number in zip(panels, subflows, strict=True):
        look = style.scheme(int(number))
        mine = rows(packets, subflow=number)
        flight, window = rows(mine, direction=way), rows(mine, direction=_OTHER[way])
        _steps(axes, flight, "flight_bytes", color=look.colour, linewidth=1.2, label=f"subflow {number}: in flight")
        _steps(axes, window, "window_bytes", color="#555555", linewidth=0.8, linestyle=":", label="receive window")
        kernels = rows(probes, subflow=number)
        label = "congestion window (the kernel's)"
        segment_bytes = _segment_bytes(data, int(number), upload=way == "to-server")
        _steps(axes, kernels, "cwnd", segment_bytes, color="black", linewidth=0.8, linestyle="--", label=label)
        axes.set_yscale("symlog", linthresh=10)
        axes.yaxis.set_major_formatter(FuncFormatter(_plainly))
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"Subflow {number} (KB)")
    panels[-1].set_xlabel("Time since the workload's start (s)")
    legend(canvas, panels, 2)
    return True


def _segment_bytes(data: Data, subflow: int, *, upload: bool) -> int:
    """What a full segment of a subflow carries: congestion windows are in segments."""
    mine = {"point": data.points[0]["point"], "connection": data.connection}
    protocols = rows(data.tables["connections"], **mine)["protocol"].to_pylist()
    addresses = rows(data.tables["subflows"], **mine, subflow=subflow)["server_address"].to_pylist()
    is_mptcp = "mptcp" in protocols
    whole = PAYLOAD_BYTES["mptcp" if is_mptcp else "tcp"] + _SHORTER_ACK_BYTES * (is_mptcp and upload)
    return whole - LONGER_HEADER_BYTES * (family_of(next(filter(None, addresses), "")) == "ipv6")


def _steps(axes: Axes, table: pa.Table, column: str, factor: int = 1, **look: Any) -> None:
    """A column over time in KB; null is left out."""
    values = numbers(table, column)
    known = ~np.isnan(values)
    if known.any():
        axes.step(numbers(table, "t_s")[known], values[known] * factor / _KB, where="post", **look)


def _plainly(value: float, _place: int) -> str:
    """A tick's label; a logarithmic axis would set it as a formula, which no text is here."""
    return f"{value:g}"


_WAYS = {"to-client": "server", "to-server": "client"}
_OTHER = {"to-client": "to-server", "to-server": "to-client"}

_TABLES = ("kernel_probes", "connections", "subflows")

FIGURE = Figure("flight", "bytes in flight, and windows", "connection", draw, tables=_TABLES)
