"""RSTs of servers that share an address: which of them sent one, by what evidence."""

from __future__ import annotations

from pathlib import Path

import observation_maker as seen
import packet_maker as make
from observation_maker import MS, OUT_AT_1, T
from test_resets import resets, some

from analysis.flows.counter_series import CounterSeries, sent_resets
from testbed.record.counters import Sample
from testbed.record.events import Event


def test_a_server_is_named_where_no_other_can_have_sent_it(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001), seen.stray_reset(40001, 1.5, 5001)]
    (row,) = resets(tmp_path, frames, servers=("s1", "s2"), events=OUT_AT_1)
    assert some(row, "sender", "sender_evidence", "candidates") == ("s2", "only", "s2")


def test_a_server_is_named_where_only_its_counter_rose(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001), seen.stray_reset(40001, 1.5, 5001)]
    sent = {"s2": CounterSeries([1, 2], [7, 7]), "s3": CounterSeries([1, 2], [7, 8])}
    (row,) = resets(tmp_path, frames, events=OUT_AT_1, sent_resets=sent)
    assert some(row, "sender", "sender_evidence") == ("s3", "counter")


def test_the_first_sample_has_counted_the_resets_since_the_workload_began(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001, 0.2), seen.stray_reset(40001, 0.8, 5001)]
    out = (Event(t=0.5, event="server-removed", server="s1"),)
    counted = {name: {"TcpOutRsts": value} for name, value in {"s2": 4, "s3": 6}.items()}
    samples = [Sample(t=t, interfaces={}, counters=counted) for t in (1.0, 2.0)]
    before = {"s2": {"TcpOutRsts": 4}, "s3": {"TcpOutRsts": 5}}
    (row,) = resets(tmp_path, frames, events=out, sent_resets=sent_resets(samples, before))
    assert some(row, "sender", "sender_evidence") == ("s3", "counter")
    (row,) = resets(tmp_path, frames, events=out, sent_resets=sent_resets(samples))
    assert some(row, "sender", "sender_evidence", "candidates") == (None, "pool", "s2 s3")


def test_captures_at_the_servers_name_the_home_and_the_sender(tmp_path: Path) -> None:
    syn, reset = seen.tcp(40001)[0][1], make.to_client(80, 40001, make.RST, seq=5001)
    at_servers = {"s1": [(T, syn)], "s3": [(T + 1499 * MS, reset)]}
    frames = [*seen.tcp(40001), (T + 1500 * MS, reset)]
    observed = seen.observe(tmp_path, frames, events=OUT_AT_1, at_servers=at_servers)
    (row,) = seen.rows(observed, "resets")
    assert some(row, "sender", "sender_evidence", "moved_from", "moved_to", "churn_evidence") == (
        "s3", "capture", "s1", "s3", "server",
    )  # fmt: skip
    (subflow,) = seen.rows(observed, "subflows")
    assert some(subflow, "server", "server_evidence") == ("s1", "capture")


def test_a_reset_that_a_server_sends_later_is_not_this_one(tmp_path: Path) -> None:
    reset = make.to_client(80, 40001, make.RST, seq=5001)
    frames = [*seen.tcp(40001), (T + 1500 * MS, reset)]
    (row,) = resets(tmp_path, frames, events=OUT_AT_1, at_servers={"s3": [(T + 1501 * MS, reset)]})
    assert row["sender_evidence"] == "pool"


def test_what_left_none_of_the_servers_came_from_a_director(tmp_path: Path) -> None:
    reset = make.to_client(80, 40001, make.RST, seq=5001)
    frames = [*seen.tcp(40001), (T + 1500 * MS, reset)]
    others = {"s1": [], "s2": [(T + 1499 * MS, make.to_client(80, 40001, make.RST, seq=7001))]}
    (row,) = resets(tmp_path, frames, servers=("s1", "s2"), at_servers=others)
    assert some(row, "sender", "sender_evidence", "candidates", "moved_to") == (None, "capture", None, None)
    observed = seen.observe(tmp_path, frames, servers=("s1", "s2"), at_servers=others)
    (connection,) = seen.rows(observed, "connections")
    assert connection["why"].startswith("reset by a director: ")
    assert [observed.known.is_director(each) for each in observed.resets.sender] == [True]
    (row,) = resets(tmp_path, frames, servers=("s1", "s2"), at_servers=others | {"s1": [(T + 1499 * MS, reset)]})
    assert some(row, "sender", "sender_evidence") == ("s1", "capture")


def test_what_one_of_two_directors_has_taken_out_may_still_have_sent_it(tmp_path: Path) -> None:
    frames = [*seen.tcp(40001), seen.stray_reset(40001, 1.5, 5001)]
    found_sick = (Event(t=1.0, event="server-removed", server="s1", by="d1"),)
    (row,) = resets(tmp_path, frames, servers=("s1", "s2"), events=found_sick)
    assert some(row, "sender", "sender_evidence") == ("s2", "only")
    (row,) = resets(tmp_path, frames, servers=("s1", "s2"), events=found_sick, directors=2)
    assert some(row, "sender", "sender_evidence", "candidates") == (None, "pool", "s1 s2")
