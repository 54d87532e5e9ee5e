"""The records of what passes a director, and that a point which does not ask for them has the bytes that it had."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import plan
from experiments.record import write, write_list
from testbed.base.errors import AnalysisError
from testbed.record.director import (
    Balanced,
    DirectorCapture,
    DirectorStatistics,
    OfServer,
    Passed,
    Reading,
    StateSample,
    read_director_captures,
    read_director_statistics,
    read_state_samples,
)
from testbed.record.point import Point

READING = Reading(
    interfaces={"d-eth0": {"rx_bytes": 728}},
    balancer=Balanced(to_servers=Passed(bytes=350, packets=5)),
    entries=1,
)
OF_SERVER = OfServer(connections=41, to_server=Passed(bytes=350, packets=5), to_clients=Passed(bytes=0, packets=0))
STATISTICS = DirectorStatistics(
    neighbours={"d": {"d-eth0": "c"}}, before={"d": READING}, after={"d": READING}, after_s=(1.5, 1.500006)
)


def test_what_a_director_counted_is_read_as_it_was_written(tmp_path: Path) -> None:
    for wanted in (STATISTICS, STATISTICS.model_copy(update={"servers": {"d": {"s1": OF_SERVER}}})):
        write(tmp_path / "director.json", wanted)
        assert read_director_statistics(tmp_path) == wanted
    capture = DirectorCapture(node="d", interface="d-eth0", file="d-eth0.pcap", captured=3199, dropped=0)
    write_list(tmp_path / "director_captures.json", [capture])
    assert read_director_captures(tmp_path) == (capture,)
    samples = [StateSample(t=float(second), entries={"d": second, "e": None}) for second in (1, 2)]
    (tmp_path / "director_samples.jsonl").write_text("".join(each.line() for each in samples))
    assert (tmp_path / "director_samples.jsonl").read_text().startswith('{"t": 1.0, "entries": {"d": 1, "e": null}}\n')
    assert read_state_samples(tmp_path) == samples


def test_a_point_that_has_not_asked_has_none_of_it(tmp_path: Path) -> None:
    assert read_director_statistics(tmp_path) is None
    assert read_director_captures(tmp_path) == ()
    assert read_state_samples(tmp_path) == []


def test_a_balancer_that_counts_nothing_says_so_and_is_not_at_zero() -> None:
    assert Balanced().to_servers is None and Balanced().fields() == {}


def test_a_count_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "director_samples.jsonl").write_text('{"t": 1.0, "entries": {"d": 1.5}}\n')
    with pytest.raises(AnalysisError, match=r"director_samples.jsonl:1: 'entries.d' is 1.5, not of type int"):
        read_state_samples(tmp_path)


def test_a_point_says_that_its_directors_are_watched_only_where_they_are() -> None:
    experiment = plan.load(plan.find("fig07"))
    without = plan.plan(experiment)[0]
    assert "director_statistics" not in without.to_json()
    asking = plan.plan(experiment, overrides=["director_statistics=true"])[0]
    assert '"director_statistics": true' in asking.to_json()
    assert Point.from_json(asking.to_json()).director_statistics
    assert not Point.from_json(without.to_json()).director_statistics
