"""The figures of single connections: the subflow time line and the sequence plot."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from figure_maker import data
from matplotlib.figure import Figure
from table_maker import POINT, tables

from analysis.figures import sequence, subflows
from analysis.figures.declaration import Data
from analysis.figures.sequence import relative, repeated
from analysis.tables import PACKETS


def of_connection(packets: pa.Table) -> Data:
    subflow = {"point": "p", "connection": 0, "server": "s1"}
    subflows = [
        subflow | {"subflow": number, "server_evidence": evidence}
        for number, evidence in enumerate(("pool", "address", "capture"))
    ]
    points = [POINT | {"service_path": "director"}]
    return Data(tables(subflows=subflows), points=points, connection=0, packets=packets)


def test_a_subflows_row_shows_its_signals_and_how_it_ended() -> None:
    given = tables(
        subflows=[
            {
                "point": "p", "connection": 4, "subflow": 0, "kind": "initial", "path": "director", "syn_s": 1.0,
                "established_s": 1.1, "backup_s": 1.3, "first_data_to_client_s": 1.4,
                "last_data_to_client_s": 2.0, "end": "reset", "end_s": 3.0,
            },
            {
                "point": "p", "connection": 5, "subflow": 0, "path": "past", "server": "s1",
                "server_evidence": "address", "syn_s": 2.0, "end": "open",
            },
        ],
        announcements=[
            {"point": "p", "connection": 4, "subflow": 0, "t_s": t_s, "kind": kind}
            for t_s, kind in ((1.2, "announcement"), (1.22, "repeat"), (1.25, "echo"))
        ],
    )  # fmt: skip
    figure = Figure()
    assert subflows.draw(figure, data(given, [POINT]))
    (axes,) = figure.axes
    at = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_label()[0] != "_"}
    assert (at["ADD_ADDR"], at["ADD_ADDR again"], at["its echo"]) == ([1.2], [1.22], [1.25])
    assert at["made a backup (MP_PRIO)"] == [1.3]
    assert at["payload to the client"] == [1.4, 2.0]
    assert at["end: reset"] == [3.0] and at["end: open"] == [3.0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["4.0  anycast address", "5.0  address of s1"]
    alone = Figure()
    assert subflows.draw(alone, data(given, [POINT], 5))
    assert [text.get_text() for text in alone.axes[0].get_yticklabels()] == ["5.0  address of s1"]
    assert not subflows.draw(Figure(), data(given, [POINT], 6))


def test_a_crowded_start_has_a_panel_of_its_own() -> None:
    given = tables(
        subflows=[
            {"point": "p", "connection": n, "subflow": 0, "path": "director", "syn_s": 10.0 * n, "end": "open",
             "established_s": 10.0 * n + 0.02, "backup_s": 10.0 * n + 0.04, "end_s": 100.0}
            for n in (0, 1)
        ],
        announcements=[{"point": "p", "connection": 1, "subflow": 0, "t_s": 10.05, "kind": "announcement"}],
    )  # fmt: skip
    figure = Figure()
    assert subflows.draw(figure, data(given, [POINT]))
    whole, start = figure.axes
    assert start.get_xlabel() == "Time since the connection's first SYN"
    assert start.xaxis.get_major_formatter()(0.02, 0) == "20 ms"
    assert start.get_xlim()[1] == pytest.approx(0.055)
    at = [(line.get_label(), line.get_xdata()[0]) for line in start.lines if round(line.get_ydata()[0]) == 1]
    assert dict(at)["ADD_ADDR"] == pytest.approx(0.05) and dict(at)["SYN"] == 0
    assert whole.get_xlabel() == "Time since the workload's start (s)"
    assert "ADD_ADDR" not in [line.get_label() for line in whole.lines]


def test_a_late_signal_stays_in_the_whole_when_most_are_in_the_start() -> None:
    subflow = {"point": "p", "subflow": 0, "path": "director", "end": "open", "end_s": 100.0}
    given = tables(
        subflows=[subflow | {"connection": n, "syn_s": 0.0, "established_s": 0.02} for n in (0, 1)],
        announcements=[{"point": "p", "connection": 1, "subflow": 0, "t_s": 60.0, "kind": "announcement"}],
    )
    figure = Figure()
    assert subflows.draw(figure, data(given, [POINT]))
    whole, start = figure.axes
    assert [line.get_xdata()[0] for line in whole.lines if line.get_label() == "ADD_ADDR"] == [60.0]
    assert start.get_xlim()[1] == pytest.approx(0.022)


def test_signals_of_one_moment_do_not_cover_each_other() -> None:
    signals = {"syn_s": 0.0, "established_s": 1.0, "backup_s": 1.0}
    subflow = {"point": "p", "connection": 0, "subflow": 0, "path": "director", "end": "open", "end_s": 2.0} | signals
    said = {"point": "p", "connection": 0, "subflow": 0, "t_s": 1.0, "kind": "announcement"}
    figure = Figure()
    assert subflows.draw(figure, data(tables(subflows=[subflow], announcements=[said]), [POINT]))
    heights = [line.get_ydata()[0] for line in figure.axes[0].lines if np.asarray(line.get_xdata()).tolist() == [1.0]]
    assert len(heights) == len(set(heights)) == 3


def test_payload_after_the_end_is_drawn_apart_and_a_single_packet_is_seen() -> None:
    subflow = {
        "point": "p", "connection": 0, "subflow": 0, "path": "director", "syn_s": 0.0, "end": "reset", "end_s": 10.0,
        "first_data_to_client_s": 1.0, "last_data_to_client_s": 60.0,
        "first_data_to_server_s": 0.5, "last_data_to_server_s": 0.5,
    }  # fmt: skip
    figure = Figure()
    assert subflows.draw(figure, data(tables(subflows=[subflow]), [POINT]))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    spans = {label: np.asarray(line.get_xdata()).tolist() for label, line in lines.items()}
    assert spans["payload to the client"] == [1.0, 10.0]
    assert spans["payload that comes after its end"] == [10.0, 60.0]
    assert (spans["payload to the server"], lines["payload to the server"].get_marker()) == ([0.5, 0.5], "|")


def test_sequence_numbers_are_distances_across_the_wrap() -> None:
    assert relative(np.array([2**32 - 10, 5, 2**32 - 10, 20])).tolist() == [0, 15, 0, 30]
    assert relative(np.array([100, 40])).tolist() == [60, 0]
    assert relative(np.array([], np.int64)).tolist() == []


def test_only_bytes_that_were_sent_before_count_as_repeated() -> None:
    # 0-10, 20-30 (ahead), 10-20 (late, but new), 5-8 (again), 30-40, 25-26 (again), 40-41
    first, size = [0.0, 20, 10, 5, 30, 25, 40], [10.0, 10, 10, 3, 10, 1, 1]
    assert repeated(first, size).tolist() == [False, False, False, True, False, True, False]


def test_a_sequence_plot_tells_new_bytes_from_those_sent_again_and_those_reinjected() -> None:
    packet = {"point": "p", "connection": 0, "direction": "to-client", "payload_bytes": 1_000_000}
    sent = PACKETS.of_rows(
        [
            packet | {"t_s": 0.0, "subflow": 0, "path": "director", "dsn": 7},
            packet | {"t_s": 1.0, "subflow": 1, "path": "past", "dsn": 1_000_007},
            packet | {"t_s": 2.0, "subflow": 1, "path": "past", "dsn": 7},
            packet | {"t_s": 2.5, "subflow": 1, "path": "past", "dsn": 1_000_007},
            packet | {"t_s": 2.8, "subflow": 2, "path": "past", "dsn": 2_000_007},
            packet | {"t_s": 3.0, "subflow": 0, "path": "director", "dsn": None},
            packet | {"t_s": 3.0, "subflow": 0, "path": "director", "dsn": 9, "payload_bytes": 0},
        ]
    )
    figure = Figure()
    assert sequence.draw(figure, of_connection(sent))
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert {label: np.asarray(line.get_xydata()).tolist() for label, line in lines.items()} == {
        "subflow 0, director": [[0.0, 0.0]],
        "subflow 1, a server's own address": [[1.0, 1.0]],
        "subflow 1: sent again": [[2.5, 1.0]],
        "subflow 1: reinjected": [[2.0, 0.0]],
        "subflow 2, past the director": [[2.8, 2.0]],
    }
    new, again, reinjected = (
        lines[f"subflow 1{what}"] for what in (", a server's own address", ": sent again", ": reinjected")
    )
    assert len({each.get_marker() for each in (new, reinjected)}) == 2
    assert again.get_markerfacecolor() == "none"
    assert new.get_zorder() < min(again.get_zorder(), reinjected.get_zorder())
    assert figure.axes[0].get_ylabel() == "Data sequence number (MB)"
    assert not sequence.draw(Figure(), of_connection(sent.slice(6)))


def test_packets_that_follow_each_other_are_not_taken_for_repeats() -> None:
    # 1448 * 0.000001 cannot be summed exactly: in megabytes, one in ten of these began before its predecessor's end.
    packet = {"point": "p", "connection": 0, "subflow": 0, "path": "director", "direction": "to-client"}
    sent = PACKETS.of_rows(
        packet | {"t_s": float(n), "payload_bytes": 1448, "dsn": 12_345 + 1448 * n} for n in range(1000)
    )
    figure = Figure()
    assert sequence.draw(figure, of_connection(sent))
    assert [(line.get_label(), len(line.get_xdata())) for line in figure.axes[0].lines] == [
        ("subflow 0, director", 1000)
    ]


def test_the_few_packets_of_the_first_subflow_are_above_the_many_of_the_second() -> None:
    packet = {"point": "p", "connection": 0, "direction": "to-client", "payload_bytes": 10}
    sent = PACKETS.of_rows(
        packet | {"t_s": float(n), "dsn": 10 * n, "subflow": int(n > 1), "path": "past" if n > 1 else "director"}
        for n in range(3000)
    )
    figure = Figure()
    assert sequence.draw(figure, of_connection(sent))
    first, second = figure.axes[0].lines
    assert first.get_zorder() > second.get_zorder() and first.get_markersize() > second.get_markersize()
