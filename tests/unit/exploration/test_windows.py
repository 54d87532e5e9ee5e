"""Windows of a change that slides over a connection: their edges are packets, and the claim says which."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from connection_maker import download

from analysis.flows.passages_in_captures import Agreement
from analysis.summary.exploration import base_line, judge
from experiments.api import exploring, moment_files, moments
from experiments.api.exploration import require_applied
from experiments.api.exploring import Seen
from testbed.base.errors import PointsFailed
from testbed.record.exploration import Case, Change, Happened

SEEN = Seen(Case(id="base-1"), download().outcome(done_s=0.0014, began_s=1.0), Agreement(), far_comparable=True)
CHANGE = Change(event="server-removed", at_s=0.0, server="s1")


def row(number: int, outcome: str) -> moments.Row:
    case = Case(id=f"server-removed-after-{number}", changes=(CHANGE,))
    happened = (Happened(event="server-removed", after_packet=number),)
    done_s = None if outcome == "hangs" else 0.0014
    found = download().outcome(case.id, done_s=done_s, happened=happened)
    return judge(case, found, base_line(SEEN.outcome), Agreement(), far_comparable=True)


def test_a_window_lies_between_the_packets_at_which_the_outcome_changes() -> None:
    edges = moments._edges(SEEN)
    assert len(edges) == 15 and edges[0] == 0.0 and edges[-1] == 0.0014
    rows = {number: row(number, "hangs" if 3 <= number <= 7 else "ok") for number in range(14)}
    window = moments._window(moments.bisection.Stretch(3, 7, "hangs"), range(14), edges, rows)
    assert (window.from_s, window.to_s) == (round(edges[3], 9), round(edges[8], 9))  # from the 3rd packet to the 8th


def test_within_a_burst_there_is_no_moment_and_a_window_ends_behind_it() -> None:
    edges = [0.0, 0.001, 0.002, 0.002 + 512e-9, 0.002 + 512e-9, 0.003]
    gaps = moments.gaps_between(edges)
    assert gaps == [0, 1, 4]
    window = moments._window(moments.bisection.Stretch(1, 2, "hangs"), gaps, edges, {1: row(1, "hangs")})
    assert (window.first, window.last, window.from_s, window.to_s) == (1, 4, 0.001, 0.003)


def test_a_change_behind_another_packet_than_planned_is_not_judged() -> None:
    assert moments._as_planned(row(4, "hangs"), 4)["applied"]
    found = moments._as_planned(row(5, "hangs"), 4)
    assert (found["applied"], found["not_applied"]) == (False, "it came behind packet 5, not 4")
    assert (found["finding"], moments._outcome(found)) == ("", "not applied")


def test_more_than_a_hundredth_not_applied_fails() -> None:
    as_meant, missed = row(1, "ok"), moments._as_planned(row(5, "ok"), 4)
    require_applied([as_meant] * 99 + [missed])
    with pytest.raises(PointsFailed, match=r"1 of 99 cases were not applied: .*it came behind packet 5, not 4"):
        require_applied([as_meant] * 98 + [missed])


def test_the_base_line_comes_between_any_two_moments() -> None:
    cases = [Case(id=f"server-removed-after-{number}", changes=(CHANGE,)) for number in range(2)]
    names = [case.id for case in exploring._with_base_lines(cases, 1)]
    assert names == ["base-1", cases[0].id, "base-2", cases[1].id, "base-3"]
    assert [case.id for case in exploring._with_base_lines([], 1)] == ["base-1"]


def test_the_page_claims_when_the_connection_is_lost(tmp_path: Path) -> None:
    windows = (
        moments.Window("ok", 0, 2, 0.0, 0.0003, 0.0),
        moments.Window("hangs", 3, 7, 0.0003, 0.0008, None),
        moments.Window("ok", 8, 13, 0.0008, 0.0014, 0.0),
    )
    rows = tuple(row(number, "ok") for number in range(3))
    slid = moments.Slid(CHANGE, base_line(SEEN.outcome), windows, rows, 13, 0.0001)
    assert moment_files.claim(slid) == (
        "Of 1.400 ms the connection is vulnerable from 0.300 to 0.800 ms (hangs, packets 3-7)."
    )
    moment_files.write({"point": slid}, tmp_path)
    assert pq.read_table(tmp_path / "windows.parquet")["outcome"].to_pylist() == ["ok", "hangs", "ok"]
    assert (tmp_path / "windows.png").stat().st_size > 1000
    safe = moments.Slid(CHANGE, base_line(SEEN.outcome), windows[:1], rows, 13, 0.0001)
    assert moment_files.claim(safe) == "No moment of 1.400 ms loses the connection."
