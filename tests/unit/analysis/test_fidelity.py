"""The fidelity of real time, from packets and seconds that were made up: every figure can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from run_maker import START_S, anycast_point

from analysis.flows.series import Window
from analysis.summary import fidelity
from analysis.summary.fidelity import Link
from analysis.summary.model import read_summary
from analysis.summary.of_point import analyse_point
from analysis.summary.of_run import write_summary
from testbed.record.events import Event
from testbed.record.host_load import HostLoad, read_host_load

NS = 1_000_000_000
RATE = 80e6  # ten buckets of 100 KB take 0.1 s: ten stretches in a second
WINDOW = Window(1000 * NS, 4.0, True)


def line(end_s: float, idle_s: float, busy_s: float) -> HostLoad:
    return HostLoad(epoch_s=end_s, seconds=1.0, cores=2, busy_s=busy_s, idle_s=idle_s, stolen_s=0.0)


def test_idle_shares_are_those_of_the_seconds_of_the_workload() -> None:
    load = [line(1000.4, 2.0, 0.0), line(1001.4, 1.0, 1.0), line(1003.5, 0.5, 1.5), line(1004.6, 0.0, 2.0)]
    assert fidelity.idle_shares(load, WINDOW) == [0.5, 0.25]


def test_a_second_without_idle_time_is_a_problem() -> None:
    assert fidelity.verdict(0.05, [], 0).problems == ()
    (problem,) = fidelity.verdict(0.049, [], 0).problems
    assert problem == "the machine was out of CPU: a second with 5% idle time (at least 5%)"
    assert fidelity.verdict(None, [], 0).problems == ("nobody noted how busy the machine was",)


def test_bits_on_the_wire_count_every_frame_of_a_burst() -> None:
    bits = fidelity.wire_bits(np.array([0, 1448, 1449, 14480]), "tcp", np.full(4, 4, np.uint8))
    assert bits.tolist() == [8 * 90, 8 * 1538, 8 * (1449 + 180), 80 * 1538]
    assert fidelity.wire_bits(np.array([1420, 1400]), "mptcp", np.array([4, 6], np.uint8)).tolist() == [8 * 1538] * 2


def spacing(per_stretch: list[float], rates: tuple[float, ...] = (RATE,)) -> fidelity.Bottleneck:
    """A packet in the middle of each tenth of a second, with that share of what the rate allows."""
    times = (np.arange(len(per_stretch)) * 100 + 50) * 1_000_000
    bits = np.array([round(share * RATE / 10) for share in per_stretch], np.int64)
    return fidelity.spacing(Link("link", ("-eth0",), rates, 1), times, bits)


def test_even_packets_of_a_full_link_have_no_error() -> None:
    found = spacing([1.0] * 10)
    assert (found.full_s, found.stretch_s, found.spacing_error) == (1, 0.1, 0.0)
    assert found.peak_share == pytest.approx(1.0 - 0.01)  # less what one bucket may have saved up
    assert fidelity.verdict(1.0, [found], 0).problems == ()


def test_packets_that_were_late_and_caught_up_are_an_error() -> None:
    found = spacing([0.5, 1.5] * 5)
    assert found.spacing_error == pytest.approx(0.5)
    (problem,) = fidelity.verdict(1.0, [found], 0).problems
    assert problem == (
        "link: packets left it unevenly: one stretch of 100 ms in ten is off by 50% of the rate or more (at most 25%)"
    )


def test_a_link_that_is_not_full_is_not_judged() -> None:
    found = spacing([0.0, 1.5] * 5)
    assert (found.full_s, found.spacing_error) == (0, None)
    assert fidelity.verdict(1.0, [found], 0).problems == ()


def test_a_second_above_the_rate_is_an_error() -> None:
    found = spacing([1.2] * 10)
    assert found.peak_share == pytest.approx(1.19)
    assert "link: a second with 119% of its rate" in fidelity.verdict(1.0, [found], 0).problems


def test_a_second_without_a_known_rate_is_left_out() -> None:
    found = spacing([1.0] * 10 + [3.0] * 10, (RATE, 0.0))
    assert (found.full_s, found.spacing_error, found.peak_share) == (1, 0.0, pytest.approx(0.99))


def test_servers_that_are_out_lower_the_rate_of_tcp() -> None:
    events = [
        Event(t=1.5, event="server-removed", server="s1"),
        Event(t=3.0, event="server-added", server="s1"),
    ]
    assert fidelity.servers_present(events, 3, 4) == [3, 2, 2, 3]
    checked = [event.model_copy(update={"by": "d1"}) for event in events]
    assert fidelity.servers_present(checked, 3, 4) == [3, 2, 2, 3]
    assert fidelity.servers_present(checked, 3, 4, directors=2) == [3, 3, 3, 3]


LOAD = {"epoch_s": 0.0, "seconds": 1.0, "cores": 2, "busy_s": 1.0, "idle_s": 1.0, "stolen_s": 0.0}


def with_load(directory: Path, idle_s: float) -> Path:
    lines = [LOAD | {"epoch_s": START_S + k + 1.0, "idle_s": idle_s, "busy_s": 2 - idle_s} for k in range(4)]
    (directory / "host_load.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    return directory


PARAMETERS = {
    "concurrency": 1, "duration_s": 4, "servers": 3, "server_rate_bps": 1_000_000, "client_rate_bps": 10_000_000,
}  # fmt: skip


def test_a_point_with_the_machines_load_gets_a_verdict_that_survives_the_summary(tmp_path: Path) -> None:
    directory = with_load(anycast_point(tmp_path / "points" / "p", clock="real", parameters=PARAMETERS), 1.0)
    summary = analyse_point(directory)
    assert summary.valid, summary.invalid_reasons
    assert summary.fidelity is not None
    assert summary.fidelity.idle_share_min == 0.5
    (link,) = summary.fidelity.bottlenecks
    assert (link.name, link.rate_bps, link.full_s) == ("servers' links", 3_000_000, 0)
    write_summary(tmp_path, [summary])
    assert read_summary(tmp_path) == [summary]


def test_a_point_on_a_machine_out_of_cpu_is_invalid(tmp_path: Path) -> None:
    directory = with_load(anycast_point(tmp_path / "p", clock="real", parameters=PARAMETERS), 0.02)
    summary = analyse_point(directory)
    assert summary.invalid_reasons == (
        "fidelity: the machine was out of CPU: a second with 1% idle time (at least 5%)",
    )


def test_a_point_without_the_machines_load_gets_no_verdict(tmp_path: Path) -> None:
    assert analyse_point(anycast_point(tmp_path / "p")).fidelity is None
    assert read_host_load(tmp_path / "p") is None


def test_a_malformed_load_is_named_by_its_line(tmp_path: Path) -> None:
    directory = anycast_point(tmp_path / "p")
    (directory / "host_load.jsonl").write_text(json.dumps(LOAD) + '\n{"epoch_s": "noon"}\n')
    assert any("host_load.jsonl:2: 'epoch_s'" in reason for reason in analyse_point(directory).invalid_reasons)
