"""Windows of a change that slides over a connection: their edges are packets, and the claim says which."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from connection_maker import download

from analysis.flows.passages_in_captures import Agreement
from analysis.summary.exploration import base_line, judge
from experiments.api import moment_files, moments
from experiments.api.exploring import Seen
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
    window = moments._window(moments.bisection.Stretch(3, 7, "hangs"), edges, rows)
    assert (window.from_s, window.to_s) == (round(edges[3], 9), round(edges[8], 9))  # from the 3rd packet to the 8th


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
