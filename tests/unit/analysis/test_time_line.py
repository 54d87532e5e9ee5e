"""The time lines of a report as data: from tables made by hand to the page, and what a stranger's tables cannot do."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from claim_points import timeline
from report_maker import Page, make_run
from run_maker import anycast_point

import analysis.report
from analysis.report import compile_report, read_run, render_page, time_lines
from analysis.report.time_lines import TimeLine
from analysis.summary.of_point import analyse_point_fully
from analysis.tables import TABLES, write_tables
from testbed.record import events

SCRIPTS = sorted((Path(analysis.report.__file__).parent / "templates" / "time_line").glob("*.js.j2"))
HOSTILE = "</script><script>alert(1)</script>\x1b[2J"


def run_of(directory: Path, *points: str) -> Path:
    """A run with points of four seconds in which a server is out for two."""
    analysed = [analyse_point_fully(anycast_point(directory / "points" / name)) for name in points]
    make_run(directory / "run", [each.summary for each in analysed])
    write_tables(
        directory / "run",
        {name: table.stack([each.tables[name] for each in analysed]) for name, table in TABLES.items()},
    )
    return directory / "run"


def unpacked(line: TimeLine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(line.packed)))
    return found


def change(run: Path, **columns: Mapping[str, object]) -> None:
    """Set columns of the run's tables (`table__column`) to one value."""
    from analysis.tables import read_table

    for name, value in columns.items():
        table, _, column = name.partition("__")
        found = read_table(run, table)
        values = pa.array([value] * len(found), TABLES[table].schema.field(column).type)
        place = found.column_names.index(column)
        write_tables(run, {table: found.set_column(place, TABLES[table].schema.field(column), values)})


def test_a_point_s_time_line_has_its_loads_changes_and_resets(tmp_path: Path) -> None:
    found = time_lines.time_lines([read_run(run_of(tmp_path, "p"))])
    assert found.notes == ()
    (line,) = found.points
    assert (line.run, line.point) == ("run", "p")
    data = unpacked(line)
    assert (data["steps"], data["step_us"], data["servers"]) == (200, 20_000, ["s1"])
    (load,) = [each for each in data["loads"] if each["direction"] == 0]
    assert {step: count for step, count in enumerate(load["bytes"]) if count} == {
        0: 500,
        25: 500,
        50: 500,
        100: 500,
        150: 500,
        175: 500,
    }
    assert [(each["us"], each["text"]) for each in data["events"]] == [
        (1_000_000, "server s1 removed"),
        (3_000_000, "server s1 added"),
    ]
    assert [each["servers"] for each in data["states"]] == [[""], ["out of the pool"], [""]]
    assert sum(sum(kind["counts"]) for kind in data["reset_kinds"]) == len(data["resets"]["us"]) == 3
    assert data["notes"] == ["1 of 4 RSTs came after the last step"]
    assert max(data["open"]) == 1 and data["connections"]["number"] == [0, 1]
    assert data["paper"] == [2800.0, 1900.0]


def test_what_the_page_shows_is_set_as_text_and_never_read_as_html(tmp_path: Path) -> None:
    run = run_of(tmp_path, "p")
    change(
        run, events__server=HOSTILE, connections__why=HOSTILE, subflows__server_address=HOSTILE, resets__cause=HOSTILE
    )
    page = render_page(compile_report([read_run(run)]))
    assert "alert(1)" not in page
    assert Page(page).open == []
    assert len(SCRIPTS) == 7
    for script in SCRIPTS:
        source = script.read_text()
        assert source.count("\n") < 300
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|fetch|XMLHttp", source
        )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps__step": 10**12}, "steps"),
        ({"steps__step_s": 0.0}, "division"),
        ({"steps__step_s": float("inf")}, "infinity"),
        ({"steps__direction": "up"}, "not in tuple"),
        ({"points__duration_s": 1e18}, "steps"),
        ({"progress__direction": None}, "not in tuple"),
        ({"events__t_s": float("inf")}, "infinity"),
        ({"resets__direction": "up"}, "not in tuple"),
    ],
)
def test_tables_of_a_stranger_cost_the_time_line_and_nothing_else(
    changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path, "p")
    change(run, **changed)
    found = time_lines.time_lines([read_run(run)])
    assert found.points == ()
    assert re.search(f"run: p: no time line: its tables are not what an analysis leaves: .*{said}", found.notes[0])


def test_what_has_no_place_is_counted_and_the_page_says_how_to_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, "p", "q", "r")
    whole = time_lines.time_lines([read_run(run)])
    assert [line.point for line in whole.points] == ["p", "q", "r"]
    monkeypatch.setattr(time_lines, "MOST_BYTES", len(whole.points[0].packed) + 10)
    less = time_lines.time_lines([read_run(run)])
    assert [line.point for line in less.points] == ["p"]
    assert less.notes == ("2 more points have a time line in a page of their own: testbed report RUN --point ID",)


def test_a_run_without_the_tables_says_what_makes_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "old", [timeline("13")])
    (note,) = time_lines.time_lines([read_run(run)]).notes
    assert note.startswith("old: no time line: ") and note.count(f"(testbed analyze {run})") == 1


def test_two_runs_of_the_same_name_have_their_own_time_lines(tmp_path: Path) -> None:
    runs = [read_run(run_of(tmp_path / name, "p")) for name in ("one", "other")]
    change(runs[1].directory, resets__cause="unknown")
    one, other = time_lines.time_lines(runs).points
    assert [one, other] == [*time_lines.time_lines(runs[:1]).points, *time_lines.time_lines(runs[1:]).points]
    assert one != other


def test_every_change_that_there_is_leaves_a_state(tmp_path: Path) -> None:
    from analysis.report.pool_states import states

    rows = [
        {
            "t_s": float(place),
            "event": kind,
            "server": "s1" if kind.startswith("server") else None,
            "director": "d1" if kind.startswith("director") else None,
            "by": None,
        }
        for place, kind in enumerate(events.CHURN)
    ]
    found = states(rows, ["s1", "s2"])
    assert [(each["servers"][0], each["lost"]) for each in found[1:7]] == [
        ("out of the pool", []), ("", []), ("drained", []), ("no power", []), ("drained", []), ("drained", ["d1 lost"]),
    ]  # fmt: skip
    assert {each["servers"][1] for each in found} == {""}


def test_links_that_fail_are_named_until_they_are_up() -> None:
    from analysis.report.pool_states import states

    rows = [
        {"t_s": float(place), "event": kind, "server": None, "director": None, "by": None, "link": "r1-r2"}
        for place, kind in enumerate(("link-down", "link-up", "link-silent", "link-cost"))
    ]
    assert [each["lost"] for each in states(rows, ["s1"])] == [[], ["r1-r2 down"], [], ["r1-r2 silent"]]
