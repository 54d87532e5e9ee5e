"""Figures of one connection's round trips, flight and waits: what is drawn where, of tables made by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from table_maker import POINT, tables

from analysis.figures import flight, head_of_line, round_trips
from analysis.figures.declaration import Data
from analysis.tables import PACKETS

PACKET = {"point": "p", "connection": 0, "subflow": 0, "path": "director", "payload_bytes": 0}
DOWN, UP = {**PACKET, "direction": "to-client"}, {**PACKET, "direction": "to-server"}


def of_connection(*packets: dict[str, object], **more: list[dict[str, object]]) -> Data:
    table: pa.Table = PACKETS.of_rows(packets)
    return Data(tables(**more), points=[POINT], connection=0, packets=table)


def drawn(axes: Axes) -> dict[str, list[list[float]]]:
    return {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.lines}


def test_round_trips_have_a_panel_for_each_end_and_a_cross_for_a_delayed_ack() -> None:
    given = of_connection(
        {**DOWN, "t_s": 1.0, "round_trip_s": 0.25, "delayed_ack": False, "stamp_round_trip_s": 0.5, "one_way_s": 0.125},
        {**UP, "t_s": 2.0, "round_trip_s": 0.0625, "delayed_ack": True},
    )
    figure = Figure()
    assert round_trips.draw(figure, given)
    of_client, of_server = figure.axes
    assert (of_client.get_ylabel(), of_server.get_ylabel()) == (
        "What was sent to the server (ms)", "What was sent to the client (ms)"
    )  # fmt: skip
    assert drawn(of_client) == {"subflow 0: by ACKs": [[1.0, 250.0]], "subflow 0: by time stamps": [[1.0, 500.0]]}
    assert drawn(of_server) == {"subflow 0: delayed ACK": [[2.0, 62.5]], "subflow 0: one way": [[1.0, 125.0]]}
    assert not round_trips.draw(Figure(), of_connection({**DOWN, "t_s": 1.0}))


def test_flight_stands_beside_the_windows_that_allow_it() -> None:
    sent = {**DOWN, "payload_bytes": 1420}
    given = of_connection(
        {**sent, "t_s": 1.0, "flight_bytes": 1000}, {**sent, "t_s": 2.0, "flight_bytes": 3000},
        {**UP, "t_s": 1.5, "window_bytes": 65536},
        connections=[{"point": "p", "connection": 0, "protocol": "mptcp"}],
        kernel_probes=[
            {"point": "p", "connection": 0, "subflow": 0, "end": "server", "t_s": 1.0, "cwnd": 10},
            {"point": "p", "connection": 0, "subflow": 0, "end": "client", "t_s": 1.0, "cwnd": 99},
        ],
    )  # fmt: skip
    figure = Figure()
    assert flight.draw(figure, given)
    (axes,) = figure.axes
    assert drawn(axes) == {
        "subflow 0: in flight": [[1.0, 1.0], [2.0, 3.0]],
        "receive window": [[1.5, 65.536]],
        "congestion window (the kernel's)": [[1.0, 14.2]],
    }
    figure.draw_without_rendering()
    assert "10" in [text.get_text() for text in axes.get_yticklabels()]
    assert not flight.draw(Figure(), of_connection({**UP, "t_s": 1.0}))


@pytest.mark.parametrize(
    ("protocol", "address", "way", "kilobytes"),
    [
        ("mptcp", "10.0.3.101", DOWN, 14.2),
        ("mptcp", "fd00:3::101", DOWN, 14.0),
        ("mptcp", "10.0.3.101", UP, 14.24),
        ("tcp", "10.0.3.101", DOWN, 14.48),
        ("fallback", "fd00:3::101", DOWN, 14.28),
    ],
)
def test_the_congestion_window_is_in_segments_of_the_subflows_own_size(
    protocol: str, address: str, way: dict[str, object], kilobytes: float
) -> None:
    end = "server" if way is DOWN else "client"
    given = of_connection(
        {**way, "payload_bytes": 1000, "t_s": 1.0, "flight_bytes": 1000},
        connections=[
            {"point": "p", "connection": 0, "protocol": protocol},
            {"point": "p", "connection": 1, "protocol": "mptcp" if protocol == "tcp" else "tcp"},
        ],
        subflows=[{"point": "p", "connection": 0, "subflow": 0, "server_address": address}],
        kernel_probes=[{"point": "p", "connection": 0, "subflow": 0, "end": end, "t_s": 1.0, "cwnd": 10}],
    )
    figure = Figure()
    assert flight.draw(figure, given)
    assert drawn(figure.axes[0])["congestion window (the kernel's)"] == [[1.0, kilobytes]]


def test_waits_are_drawn_below_the_buffer_that_they_fill() -> None:
    sent = {**DOWN, "payload_bytes": 1000}
    given = of_connection(
        {**sent, "t_s": 1.0, "wait_s": 0.0},
        {**sent, "t_s": 2.0, "subflow": 1, "wait_s": 0.5, "held_bytes": 1000},
        {**sent, "t_s": 2.5, "wait_s": 0.0, "held_bytes": 0},
    )
    figure = Figure()
    assert head_of_line.draw(figure, given)
    above, below = figure.axes
    assert drawn(above) == {"reordering buffer": [[2.0, 1.0], [2.5, 0.0]]}
    assert drawn(below) == {"what came on subflow 1": [[2.0, 500.0]]}
    in_order = Figure()
    assert head_of_line.draw(in_order, of_connection({**sent, "t_s": 1.0, "wait_s": 0.0}))
    assert in_order.axes[0].get_title(loc="right") == "every byte came in its order"
    assert not head_of_line.draw(Figure(), of_connection({**UP, "t_s": 1.0}))
