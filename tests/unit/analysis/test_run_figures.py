from __future__ import annotations

import gzip
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_maker as runs
from figure_maker import data, draw_point, draw_run
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from table_maker import POINT, tables

from analysis.figures import joins, path_bytes, paths, resets, style
from analysis.figures.causes import LOOKS
from analysis.figures.selection import repeats
from analysis.summary.of_captures import analyse_captures
from analysis.summary.of_point import connection_packets
from analysis.summary.of_run import analyse_run_fully, stack
from analysis.tables import CAUSES, TABLES, write_tables
from experiments.cli import main
from testbed.base.errors import AnalysisError

DATA = Path(__file__).with_name("data")


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def bars(axes: Axes) -> dict[str, list[float]]:
    """Heights (or widths) of the bars with a legend entry."""
    return {
        str(each.get_label()): [max(bar.get_width(), bar.get_height()) for bar in each.patches]
        if len(each.patches) == 1
        else [float(bar.get_height()) for bar in each.patches]
        for each in axes.containers
        if isinstance(each, BarContainer)
    }


def test_paths_over_time_have_a_curve_each_in_mbit_per_second_and_the_churn_is_marked() -> None:
    second = {"point": "p", "direction": "to-client", "whole": True}
    given = tables(
        seconds=[
            second | {"second": 0, "path": "director", "server": None, "payload_bytes": 125_000},
            second | {"second": 0, "path": "past", "server": "s1", "payload_bytes": 12_500_000},
            second | {"second": 1, "path": "past", "server": "s1", "payload_bytes": 25_000_000},
            second | {"second": 1, "path": "past", "server": "s1", "direction": "to-server", "payload_bytes": 9},
        ],
        events=[{"point": "p", "t_s": 1.5, "event": "server-removed", "server": "s1"}],
    )
    figure = Figure()
    assert paths.draw(figure, data(given, [POINT]))
    (axes,) = figure.axes
    curves = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    assert curves["anycast address"] == [[0.5, 1.0], [1.5, 0.0]]  # a second without a row is an empty one
    assert curves["address of s1"] == [[0.5, 100.0], [1.5, 200.0]]
    assert [x for x, _ in curves["server removed"]] == [1.5, 1.5]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("Payload (Mbit/s)", "Time since the workload's start (s)")
    assert labels(figure) == ["anycast address", "address of s1", "server removed"]


def test_bytes_per_path_are_shares_of_the_direction_that_has_more() -> None:
    subflow = {"point": "p", "connection": 0}
    given = tables(
        subflows=[
            subflow | {"subflow": 0, "path": "director", "server": "s2", "bytes_to_client": 9, "bytes_to_server": 25},
            subflow | {"subflow": 1, "path": "past", "server": "s1", "bytes_to_client": 0, "bytes_to_server": 75},
        ]
    )
    figure = Figure()
    assert path_bytes.draw(figure, data(given, [POINT | {"service_path": "director"}]))
    widths = {str(each.get_label()): each.patches[0].get_width() for each in figure.axes[0].containers}  # type: ignore[attr-defined]
    assert widths == {"director": 25.0, "address of s1": 75.0}
    assert len({each.patches[0].get_hatch() for each in figure.axes[0].containers}) == 2  # type: ignore[attr-defined]


def test_the_join_delay_curve_ends_at_the_share_that_joined() -> None:
    connection = {"point": "p", "protocol": "mptcp"}
    waits = [0.02, None, 0.01, 0.04]
    given = tables(connections=[connection | {"connection": i, "join_wait_s": w} for i, w in enumerate(waits)])
    figure = Figure()
    assert joins.draw(figure, data(given, [POINT]))
    (curve,) = figure.axes[0].lines
    assert np.asarray(curve.get_xydata()).tolist() == [[0.01, 0.25], [0.02, 0.5], [0.04, 0.75]]
    assert labels(figure) == ["MPTCP: 3 of 4"]
    assert not figure.axes[0].collections and figure.axes[0].get_title(loc="left") == ""


def test_invalid_points_are_named_noted_and_pooled_apart(tmp_path: Path) -> None:
    points: list[dict[str, Any]] = [POINT | {"valid": True}, POINT | {"point": "q", "seed": 2, "valid": False}]
    given = tables(
        points=points,
        connections=[
            {"point": name, "connection": 0, "protocol": "mptcp", "join_wait_s": wait}
            for name, wait in (("p", 0.01), ("q", 0.02))
        ],
    )
    figure = Figure()
    assert joins.draw(figure, data(given, points))
    assert labels(figure) == ["MPTCP: 1 of 1", "MPTCP, INVALID: 1 of 1"]
    draw_run(given, tmp_path, ["join-delay"])
    assert "1 of 2 points INVALID, see summary" in (tmp_path / "fig14-join-delay.svg").read_text()
    draw_run(given | {"points": TABLES["points"].of_rows(points[:1])}, tmp_path, ["join-delay"])
    assert "INVALID" not in (tmp_path / "fig14-join-delay.svg").read_text()


@pytest.mark.parametrize(("count", "note"), [(4, ""), (6, "2 more of 6 points: draw them with --point")])
def test_points_without_a_panel_are_counted(count: int, note: str) -> None:
    points: list[dict[str, Any]] = [POINT | {"point": f"p{size}", "object_bytes": size * 1000} for size in range(count)]
    sent: list[dict[str, Any]] = [
        {"point": each["point"], "in_workload": True, "t_s": 0.5, "cause": "refused"} for each in points
    ]
    figure = Figure()
    assert resets.draw(figure, data(tables(points=points, resets=sent), points))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"MPTCP, {size} KB" for size in range(4)]
    assert figure.axes[0].get_title(loc="right") == note


SEEDS: list[dict[str, Any]] = [POINT | {"point": f"p{seed}", "seed": seed} for seed in (1, 2, 3)]


def spread(axes: Axes, container: int = -1) -> list[list[list[float]]]:
    """The lines of the error bars."""
    found = [each for each in axes.containers if isinstance(each, ErrorbarContainer)][container]
    return [np.round(segment, 9).tolist() for each in found.lines[2] for segment in each.get_segments()]


def test_repeats_share_a_panel_with_their_median_and_a_band() -> None:
    second = {"direction": "to-client", "whole": True, "path": "director", "second": 0}
    rates = dict(zip(("p1", "p2", "p3"), (10, 20, 60), strict=True))
    given = tables(seconds=[second | {"point": name, "payload_bytes": rate * 125_000} for name, rate in rates.items()])
    figure = Figure()
    assert paths.draw(figure, data(given, SEEDS))
    (axes,) = figure.axes
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[0.5, 20.0]]
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)
    assert (band[:, 1].min(), band[:, 1].max()) == (10.0, 60.0)
    assert axes.get_title(loc="left") == "MPTCP (3 seeds): median; band: minimum to maximum"
    alone = Figure()
    assert paths.draw(alone, data(given, SEEDS[:1]))
    assert not alone.axes[0].collections and alone.axes[0].get_title(loc="left") == "MPTCP"


def test_points_of_different_settings_are_no_repeats() -> None:
    points = [
        POINT | {"seed": seed, "parameters": f'{{"concurrency": {n}}}'} for seed, n in ((1, 10), (2, 10), (3, 20))
    ]
    assert [(name, len(members)) for name, members in repeats(points)] == [("MPTCP (2 seeds)", 2), ("MPTCP", 1)]
    assert len(repeats([each | {"valid": each["seed"] != 2} for each in points])) == 3


def test_a_path_that_a_repeat_never_used_counts_as_nothing_there() -> None:
    second = {"direction": "to-client", "whole": True, "second": 0, "payload_bytes": 125_000}
    given = tables(
        seconds=[second | {"point": name, "path": "director"} for name in ("p1", "p2", "p3")]
        + [second | {"point": "p3", "path": "past", "server": "s1"}]
    )
    figure = Figure()
    assert paths.draw(figure, data(given, SEEDS))
    curves = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines}
    assert curves == {"anycast address": [1.0], "address of s1": [0.0]}


def test_repeats_are_one_bar_of_bytes_with_the_spread_of_each_part() -> None:
    subflow = {"connection": 0, "subflow": 0, "path": "director"}
    join = {"connection": 0, "subflow": 1, "path": "past", "server": "s1"}
    given = tables(
        subflows=[
            each | {"point": f"p{seed}", "bytes_to_client": size * 10**6}
            for seed, through in ((1, 20), (2, 30), (3, 40))
            for each, size in ((subflow, through), (join, 100 - through))
        ]
    )
    figure = Figure()
    assert path_bytes.draw(figure, data(given, SEEDS))
    (axes,) = figure.axes
    assert bars(axes) == {"anycast address": [30.0], "address of s1": [70.0]}
    assert spread(axes) == [[[20.0, 0.0], [40.0, 0.0]]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["MPTCP (3 seeds)"]
    assert axes.get_title(loc="left") == "mean of the seeds; bars: minimum and maximum"
    alone = Figure()
    assert path_bytes.draw(alone, data(given, SEEDS[:1]))
    assert not [each for each in alone.axes[0].containers if isinstance(each, ErrorbarContainer)]
    assert alone.axes[0].get_title(loc="left") == ""


def test_a_share_too_small_to_see_is_written() -> None:
    subflow = {"point": "p", "connection": 0}
    given = tables(
        subflows=[
            subflow | {"subflow": 0, "path": "director", "bytes_to_client": 22_900_000},
            subflow | {"subflow": 1, "path": "past", "server": "s1", "bytes_to_client": 41_600_000_000},
        ]
    )
    figure = Figure()
    assert path_bytes.draw(figure, data(given, [POINT]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["41.62 GB\nanycast address 0.055 %"]


def test_the_join_delay_of_repeats_is_pooled_in_a_band() -> None:
    connection = {"connection": 0, "protocol": "mptcp"}
    given = tables(
        connections=[
            connection | {"point": f"p{seed}", "connection": n, "join_wait_s": wait}
            for seed, waits in ((1, (0.01, 0.02)), (2, (0.01, None)))
            for n, wait in enumerate(waits)
        ]
    )
    figure = Figure()
    assert joins.draw(figure, data(given, SEEDS))
    (axes,) = figure.axes
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[0.01, 0.25], [0.01, 0.5], [0.02, 0.75]]
    at_20_ms = np.asarray(axes.collections[0].get_paths()[0].vertices)
    at_20_ms = at_20_ms[np.isclose(at_20_ms[:, 0], 0.02)]
    assert (at_20_ms[:, 1].min(), at_20_ms[:, 1].max()) == (0.5, 1.0)
    assert labels(figure) == ["MPTCP (3 seeds): 3 of 4"]
    assert axes.get_title(loc="left") == "seeds pooled; band: minimum to maximum"


def test_resets_are_stacked_by_cause_with_the_change_behind_them() -> None:
    reset = {"point": "p", "in_workload": True}
    given = tables(
        resets=[
            reset | {"t_s": 0.5, "cause": "no-socket", "churn": "removed"},
            reset | {"t_s": 0.7, "cause": "no-socket", "churn": "removed"},
            reset | {"t_s": 0.8, "cause": "no-socket", "churn": "added"},
            reset | {"t_s": 2.1, "cause": "unread-data"},
            reset | {"t_s": 9.0, "cause": "workload-end", "in_workload": False},
        ]
    )
    figure = Figure()
    assert resets.draw(figure, data(given, [POINT]))
    assert bars(figure.axes[0]) == {
        "no-socket, server removed: 2": [2, 0, 0], "no-socket, server added: 1": [1, 0, 0],
        "unread-data: 1": [0, 0, 1],
    }  # fmt: skip
    top = next(each for each in figure.axes[0].containers if each.get_label() == "no-socket, server added: 1")
    assert top.patches[0].get_y() == 2.0  # type: ignore[attr-defined]
    assert not [each for each in figure.axes[0].containers if isinstance(each, ErrorbarContainer)]


def test_resets_of_repeats_are_averaged_with_their_spread() -> None:
    reset = {"in_workload": True, "cause": "refused"}
    counts = {"p1": 1, "p2": 6, "p3": 0}
    given = tables(
        resets=[reset | {"point": name, "t_s": 2.0} for name, count in counts.items() for _ in range(count)]
        + [reset | {"point": "p1", "t_s": 0.0}]
    )
    figure = Figure()
    assert resets.draw(figure, data(given, SEEDS))
    assert {name: np.round(each, 3).tolist() for name, each in bars(figure.axes[0]).items()} == {
        "refused: 8": [0.333, 0, 2.333]
    }
    assert spread(figure.axes[0]) == [[[0.5, 0.0], [0.5, 1.0]], [[2.5, 0.0], [2.5, 6.0]]]
    assert figure.legends[0].get_title().get_text() == "RSTs by cause, in all 3 points"


def test_a_cause_looks_the_same_whatever_else_there_is() -> None:
    reset = {"point": "p", "in_workload": True, "t_s": 0.5}

    def looks(*causes: str) -> dict[str, tuple[Any, Any]]:
        figure = Figure()
        assert resets.draw(figure, data(tables(resets=[reset | {"cause": cause} for cause in causes]), [POINT]))
        found = {}
        for each in figure.axes[0].containers:
            bar = each.patches[0]  # type: ignore[attr-defined]
            found[str(each.get_label()).partition(":")[0]] = (bar.get_facecolor(), bar.get_hatch())
        return found

    many = looks("refused", "refused", "after-close", "no-socket")
    assert list(many) == ["no-socket", "refused", "after-close"]
    assert looks("refused")["refused"] == many["refused"]
    assert list(looks("unknown", "from-a-newer-toolkit")) == ["unknown", "from-a-newer-toolkit"]


def test_every_cause_has_a_look_that_can_be_told_apart_in_grey() -> None:
    assert list(dict.fromkeys(name.partition(",")[0] for name in LOOKS)) == list(CAUSES)
    for one, other in combinations(LOOKS.values(), 2):
        if one.hatch == other.hatch:
            assert abs(grey(one.colour) - grey(other.colour)) > 0.12, (one, other)
        if one.hatch:
            assert abs(grey(one.colour) - grey(one.hatch_colour)) > 0.3, one


def grey(colour: str) -> float:
    """The brightness of a colour, as a printer without colours has it (Rec. 601)."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def test_more_curves_than_looks_have_hollow_marks() -> None:
    looks = [style.scheme(place) for place in range(18)]
    assert len(set(looks)) == 18
    assert [each.face == "white" for each in looks] == [False] * 9 + [True] * 9


def test_a_capture_of_linux_gives_every_figure_as_png_pdf_and_svg(tmp_path: Path) -> None:
    for name in ("c-eth0", "c-eth1"):
        (tmp_path / f"{name}.pcap").write_bytes(gzip.decompress((DATA / f"mptcp-{name}.pcap.gz").read_bytes()))
    found = analyse_captures([tmp_path / "c-eth0.pcap", tmp_path / "c-eth1.pcap"])
    written = draw_run(found.tables, tmp_path / "figures")
    assert {path.name for path in written} >= {"captures-bytes.png", "captures-join-delay.pdf", "captures-paths.svg"}
    assert all(path.stat().st_size > 1000 for path in written)
    before = {path: path.read_bytes() for path in written}
    draw_run(found.tables, tmp_path / "figures")
    assert {path: path.read_bytes() for path in written} == before


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    runs.load_balancer_point(directory / "points" / "one")
    runs.write_json(directory / "run.json", {"version": 1, "state": "complete", "points": ["one"]})
    write_tables(directory, stack(analyse_run_fully(directory)))
    return directory


def test_a_point_is_drawn_closely(run: Path) -> None:
    found = stack(analyse_run_fully(run))
    point = found["points"]["point"][0].as_py()
    written = draw_point(
        found, point, run / "close", None, 0, lambda number: connection_packets(run / "points" / "one", number)
    )
    kinds = {path.stem.removeprefix(f"{point}-") for path in written}
    assert {"bytes", "subflows", "sequence-0"} <= kinds
    with pytest.raises(AnalysisError, match="no connection 99"):
        draw_point(found, point, run / "close", None, 99)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--kind", "sequence"], "--kind sequence: of which point? (name it with --point"),
        (["--connection", "1"], "--connection: of which point?"),
        (["--point", "nobody"], "no point 'nobody' (the points are: "),
    ],
)
def test_bad_input_is_one_line(
    run: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["figures", str(run), *arguments])
    said = capfd.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert complaint in said


def test_a_run_without_tables_names_the_cure(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "tables")
    with pytest.raises(SystemExit) as ended:
        main.main(["figures", str(run)])
    said = capfd.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert "there is no such table" in said and f"testbed analyze {run}" in said


def test_years_are_drawn_in_wider_steps_and_empty_seconds_need_no_row() -> None:
    far = 315_569_520  # ten years
    second = {"point": "p", "direction": "to-client", "whole": True, "path": "director"}
    reset = {"point": "p", "in_workload": True, "cause": "refused"}
    given = tables(
        seconds=[second | {"second": each, "payload_bytes": 125_000_000} for each in (0, far)],
        resets=[reset | {"t_s": each} for each in (0.5, 0.7, far + 0.5)],
    )
    figure = Figure()
    assert paths.draw(figure, data(given, [POINT]))
    (curve,) = [line for line in figure.axes[0].lines if line.get_label() == "anycast address"]
    at, rate = np.asarray(curve.get_xydata()).T
    assert len(at) <= 3600
    step = at[1] - at[0]
    assert rate[[0, -1]].tolist() == pytest.approx([1000 / step] * 2)
    assert figure.axes[0].get_ylabel() == "Payload (Mbit/s,\nmean of 1.01 days)"
    figure = Figure()
    assert resets.draw(figure, data(given, [POINT]))
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert len(heights) <= 3601
    assert (heights[0], heights[-1], sum(heights)) == (2, 1, 3)
