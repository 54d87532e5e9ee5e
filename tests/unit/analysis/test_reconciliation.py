"""Reconciliation: the captures against the kernels' counters and against ab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import observation_maker as seen
import packet_maker as make
import pyarrow as pa
import pytest
import run_maker as runs
from observation_maker import MS, OUT_AT_1, S, T

from analysis.summary.of_point import analyse_point_fully
from analysis.summary.text import render_table
from analysis.tables.reconciliation import (
    FailureCauses,
    Reconciliation,
    begun_in_workload,
    reconcile_failures,
    reconcile_requests,
    reconcile_resets,
    reconcile_server_captures,
)
from testbed.base.errors import AnalysisError
from testbed.record.counters import Counters, Nodes, Sample, read_counters, read_samples

SERVERS = ("s1", "s2")


def sent(**nodes: int) -> dict[str, dict[str, int]]:
    return {node: {"TcpOutRsts": count} for node, count in nodes.items()}


def counted(before: Nodes, settled: Nodes, drops: Nodes | None = None, at_s: float = 11.0) -> Counters:
    return Counters(before=before, after={}, settled=settled, settled_s=(at_s, at_s + 0.002), queue_drops=drops)


def reconciled(
    tmp_path: Path, counters: Counters, samples: tuple[Sample, ...] = (), lossy: bool = False
) -> list[Reconciliation]:
    """Two RSTs from s2 (s1 is out) at 1.5 and 2.5 s, and one from the client at 2 s."""
    frames = [
        *seen.tcp(40001), seen.stray_reset(40001, 1.5, 5001),
        *seen.tcp(40002), seen.stray_reset(40002, 2.5, 5001), (T + 2 * S, make.to_server(40001, 80, make.RST, seq=1)),
    ]  # fmt: skip
    observed = seen.observe(tmp_path, frames, servers=SERVERS, events=OUT_AT_1)
    times_ns = observed.packets.time_ns[observed.resets.row]
    return reconcile_resets(times_ns, observed.resets, SERVERS, counters, samples, observed.known, lossy)


def by_name(rows: list[Reconciliation]) -> dict[tuple[str, str | None], tuple[int, int, bool | None]]:
    return {(each.quantity, each.node): (each.counted, each.explained, each.holds) for each in rows}


def test_counters_that_agree_with_the_capture(tmp_path: Path) -> None:
    counters = counted(sent(c=1, s1=4, s2=5), sent(c=2, s1=4, s2=7))
    assert by_name(reconciled(tmp_path, counters)) == {
        ("RSTs from the servers", None): (2, 2, True),
        ("RSTs from one server", "s1"): (0, 0, True),
        ("RSTs from one server", "s2"): (2, 2, True),
        ("RSTs from the client", "c"): (1, 1, True),
    }


def test_a_reset_that_is_in_no_counter_or_given_to_the_wrong_server_does_not_agree(tmp_path: Path) -> None:
    found = by_name(reconciled(tmp_path, counted(sent(c=0, s1=0, s2=0), sent(c=1, s1=1, s2=1), {})))
    assert found["RSTs from the servers", None] == (2, 2, True)
    assert found["RSTs from one server", "s2"] == (1, 2, False)
    assert found["RSTs from one server", "s1"] == (1, 0, False)


@pytest.mark.parametrize(
    ("drops", "lossy", "holds"),
    [
        ({"s2": {"s2-eth0": 1}}, False, True),
        ({"s2": {"s2-eth0": 0}}, False, False),
        (None, False, None),
        ({}, True, None),
    ],
)
def test_a_reset_that_was_sent_and_never_came(
    tmp_path: Path, drops: dict[str, dict[str, int]] | None, lossy: bool, holds: bool | None
) -> None:
    counters = counted(sent(c=0, s1=0, s2=0), sent(c=1, s1=0, s2=3), drops)
    found = by_name(reconciled(tmp_path, counters, lossy=lossy))
    assert found["RSTs from the servers", None] == (3, 2, holds)
    assert found["RSTs from one server", "s2"] == (3, 2, holds)


def test_without_a_reading_at_the_end_the_last_quiet_sample_counts(tmp_path: Path) -> None:
    # At 2.4 s the second RST is under way: it is in the counter but not in the capture yet.
    samples = tuple(
        Sample(t=t_s, interfaces={}, counters=sent(c=c, s1=0, s2=s2))
        for t_s, c, s2 in ((1.0, 0, 0), (2.1, 1, 1), (2.4, 1, 2))
    )
    found = reconciled(tmp_path, Counters(before=sent(c=0, s1=0, s2=0), after=sent(c=1, s1=0, s2=2)), samples)
    assert by_name(found)["RSTs from the servers", None] == (1, 1, True)
    assert "at 2.100 s" in found[0].note


def test_a_reading_during_which_a_reset_came_does_not_count(tmp_path: Path) -> None:
    # The client sends its RST at 2 s, just when the counters are read: it may be in the reading or not.
    busy = counted(sent(c=0, s1=0, s2=0), sent(c=0, s1=0, s2=0), at_s=1.999)
    samples = (Sample(t=1.0, interfaces={}, counters=sent(c=0, s1=0, s2=0)),)
    found = reconciled(tmp_path, busy, samples)
    assert by_name(found)["RSTs from the client", "c"] == (0, 0, True)
    assert "at 1.000 s" in found[-1].note


def test_no_counters_no_reconciliation(tmp_path: Path) -> None:
    observed = seen.observe(tmp_path, seen.tcp(40001))
    assert (
        reconcile_resets(observed.packets.time_ns[:0], observed.resets, SERVERS, None, (), observed.known, False) == []
    )


@pytest.mark.parametrize(
    ("left", "received", "lossy", "holds"),
    [(5, 5, False, True), (5, 4, False, False), (5, 4, True, None), (4, 5, True, False)],
)
def test_resets_that_left_the_servers_must_arrive_unless_links_lose_packets(
    left: int, received: int, lossy: bool, holds: bool | None
) -> None:
    left_ns, received_ns = np.arange(left) * MS, np.arange(received) * MS
    assert reconcile_server_captures(left_ns, received_ns, None, (), 0, lossy).holds is holds


def test_what_leaves_a_server_after_the_last_reading_need_not_arrive() -> None:
    counters = counted({}, {}, at_s=3.0)
    row = reconcile_server_captures(np.array([S, 4 * S, 5 * S]), np.array([S + MS, 4 * S + MS]), counters, (), 0, False)
    assert (row.counted, row.explained, row.holds) == (1, 1, True)


@pytest.mark.parametrize(
    ("failed", "holds"), [(4, True), (3, True), (2, False), (5, False)],
)  # fmt: skip
def test_every_failed_request_needs_a_cause_and_only_late_resets_may_go_unseen(failed: int, holds: bool) -> None:
    late = T + 10 * S - 50 * MS
    causes = FailureCauses([T + S, late, T + 11 * S], refused=1, unanswered=0, short=1)
    row = reconcile_failures(failed, causes, T, T + 10 * S)
    assert (row.counted, row.explained, row.holds) == (failed, 4, holds)


@pytest.mark.parametrize(("failed", "holds"), [(0, True), (1, True), (2, False)])
def test_a_connection_without_an_answer_may_be_a_failure(failed: int, holds: bool) -> None:
    assert reconcile_failures(failed, FailureCauses([], unanswered=1), T, T + S).holds is holds


def test_what_is_loaded_before_the_workload_is_none_of_its_requests() -> None:
    syn_s = [None, -0.03, -2e-7, 0.0, 1.5]  # a start as a float of seconds since 1970 may lie behind its first SYN
    assert begun_in_workload(pa.table({"syn_s": syn_s}))["syn_s"].to_pylist() == [-2e-7, 0.0, 1.5]


def test_requests_and_connections() -> None:
    assert reconcile_requests(90, 2, 8, 101, 1).holds
    assert not reconcile_requests(90, 0, 8, 100, 0).holds


@pytest.mark.parametrize(("connections", "holds"), [(99, False), (100, True), (109, True), (110, False)])
def test_uploads_under_way_when_ab_ended_are_none_of_its_requests(connections: int, holds: bool) -> None:
    found = reconcile_requests(100, 0, 0, connections, 0, begun=9)
    assert (found.counted, found.explained, found.holds) == (100, connections, holds)
    assert ("up to 9 further ones" in found.note) is (connections > 100)


def test_a_run_directory_gives_reconciliations(tmp_path: Path) -> None:
    directory = runs.anycast_point(tmp_path / "fig13")
    counters = {"before": sent(c=0, s1=0), "after": sent(c=2, s1=2), "settled": sent(c=2, s1=2), "queue_drops": {}}
    counters["settled_s"] = [11.0, 11.0]
    (directory / "counters.json").write_text(json.dumps(counters))
    analysed = analyse_point_fully(directory)
    found: list[dict[str, Any]] = analysed.tables["reconciliation"].to_pylist()
    assert [(row["quantity"], row["counted"], row["explained"], row["holds"]) for row in found] == [
        ("RSTs from the servers", 2, 2, True),
        ("RSTs from one server", 2, 2, True),
        ("RSTs from the client", 2, 2, True),
        ("failed requests", 1, 1, True),
        ("requests", 5, 1, False),  # the hand-made ab output speaks of three downloads
    ]
    (line,) = analysed.summary.disagreements
    assert line.startswith("requests: 5 counted, 1 captured: DO NOT AGREE (3 complete, 0 started again, 2 cut off by")
    assert analysed.summary.valid
    said = render_table([analysed.summary])
    assert f"  ? fig13: {line}\n" in said
    assert said.endswith("\n1 points, all valid; counts of 1 do not agree\n")


def test_malformed_counters_and_samples_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "counters.json").write_text('{"before": {}}')
    with pytest.raises(AnalysisError, match=r"counters.json: 'after' is missing"):
        read_counters(tmp_path)
    (tmp_path / "samples.jsonl").write_text('{"t": 1, "interfaces": {}, "counters": {}}\n{"t"')
    with pytest.raises(AnalysisError, match=r"samples.jsonl:2: not JSON"):
        read_samples(tmp_path)


def test_a_counter_has_64_bits(tmp_path: Path) -> None:
    line = '{"t": 1.0, "interfaces": {}, "counters": {"s1": {"TcpOutRsts": 1e308}}}'
    (tmp_path / "samples.jsonl").write_text(line + "\n")
    with pytest.raises(AnalysisError, match=r"samples.jsonl:1: 'counters.s1.TcpOutRsts' is 1e\+308, not of type int"):
        read_samples(tmp_path)
