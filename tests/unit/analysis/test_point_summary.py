"""What a raw directory says in its summary, by kind of point."""

from __future__ import annotations

import os
from pathlib import Path

import packet_maker as make
import pytest
import run_maker as runs
from point_changes import append_packet, without_join

from analysis.flows.joins import Joins, Waits
from analysis.flows.series import workload_window
from analysis.summary import of_point as summary_module
from analysis.summary.of_point import analyse_point
from testbed.base.errors import AnalysisError
from testbed.record.events import Event


def test_a_load_balancer_point_with_mptcp(tmp_path: Path) -> None:
    found = analyse_point(runs.load_balancer_point(tmp_path / "fig07-mptcp-1000KB-seed1"))
    assert found.invalid_reasons == ()
    assert found.valid
    assert found.id == "fig07-mptcp-1000KB-seed1"
    assert (found.experiment, found.figure, found.protocol, found.clock) == ("fig07", "7", "mptcp", "virtual")
    assert (found.object_bytes, found.seed, found.parameters) == (1_000_000, 1, {"requests": 2, "concurrency": 2})
    assert found.goodput_bps == pytest.approx(64e6, rel=1e-6)
    assert found.requests_per_s == pytest.approx(8, rel=1e-6)
    assert found.wire_limit_bps == 94_148_244.5
    assert (found.connections, found.joined, found.complete_requests, found.failed_requests) == (2, 2, 2, 0)
    assert found.director_bypass_share == 0.9
    assert (found.resets, found.resets_received) == (0, 0)
    assert (found.virtual_s, found.wall_s) == (0.5, 12.3)
    assert found.joins == Joins(asked=2, accepted=2, refused=0, unanswered=0, reset=0)
    assert (found.per_second, found.waits, found.injected_drops) == (None, None, None)


def test_a_load_balancer_point_with_tcp(tmp_path: Path) -> None:
    found = analyse_point(runs.load_balancer_point(tmp_path / "p", protocol="tcp"))
    assert found.invalid_reasons == ()
    assert (found.connections, found.joined, found.director_bypass_share) == (2, 0, 0.0)


def ablation_point(directory: Path, **parameters: object) -> Path:
    """The load-balancer point as one variant under one condition; it loses what `parameters` say."""
    common = {"requests": 2, "concurrency": 2}
    return runs.load_balancer_point(
        directory, plot="ablation", variant="flag only", condition="echo lost", parameters=common | parameters
    )


def test_an_ablation_point_has_its_names_and_the_waits_of_its_connections(tmp_path: Path) -> None:
    found = analyse_point(ablation_point(tmp_path / "p"), {"ablation"})
    assert found.invalid_reasons == ()
    assert (found.variant, found.condition, found.plot) == ("flag only", "echo lost", "ablation")
    # The first connection opens at 10 ms, the second at 20 ms; each joins 5 ms later; payload comes at 70 ms.
    assert found.waits == Waits(connections=2, join_wait_s=(0.005, 0.005), bypass_wait_s=(0.05, 0.06))


INJECTED = {"packet": "add-addr-echo", "occurrence": 1, "interfaces": ["d-eth0"], "connections": 2, "packets": 4}


def test_what_the_injector_dropped_is_part_of_the_summary(tmp_path: Path) -> None:
    directory = ablation_point(tmp_path / "p", drop_packet="add-addr-echo", drop_occurrence=1)
    runs.write_json(directory / "loss_injection.json", INJECTED | {"dropped": 2})
    found = analyse_point(directory)
    assert (found.invalid_reasons, found.injected_drops) == ((), 2)


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        ({"dropped": 0}, "the loss injector dropped nothing: no mp-prio came by"),
        ({"dropped": 3}, "the loss injector dropped 3 packets of 2 connections"),
        ({"dropped": "many"}, "loss_injection.json: 'dropped' is 'many', not of type int"),
        (None, "loss_injection.json: No such file or directory"),
    ],
)
def test_a_loss_that_was_not_injected_as_planned_makes_a_point_invalid(
    tmp_path: Path, count: dict[str, int | str] | None, reason: str
) -> None:
    directory = ablation_point(tmp_path / "p", drop_packet="mp-prio", drop_occurrence=1)
    if count is not None:
        runs.write_json(directory / "loss_injection.json", INJECTED | count)
    assert analyse_point(directory).invalid_reasons == (reason,)


def test_missing_joins_are_a_result_where_variants_are_compared(tmp_path: Path) -> None:
    directory = ablation_point(tmp_path / "p")
    without_join(directory)
    assert analyse_point(directory).waits is None
    found = analyse_point(directory, {"ablation"})
    assert found.invalid_reasons == ()
    assert found.waits is not None
    assert (found.joined, found.waits.connections, len(found.waits.join_wait_s)) == (1, 2, 1)


def test_a_point_of_a_toolkit_without_variants_is_read(tmp_path: Path) -> None:
    found = analyse_point(runs.load_balancer_point(tmp_path / "p"))
    assert (found.variant, found.condition) == ("", "")


def test_an_anycast_point_has_series_of_whole_seconds_and_failures_are_results(tmp_path: Path) -> None:
    found = analyse_point(runs.anycast_point(tmp_path / "p"))
    assert found.invalid_reasons == ()
    assert found.per_second is not None
    assert found.per_second.utilisation_bps == (8000, 4000, 4000, 8000)
    assert found.per_second.resets == (0, 3, 0, 0)
    assert found.per_second.resets_received == (0, 2, 0, 0)
    assert [(c.t, c.event, c.server) for c in found.per_second.churn] == [
        (1.0, "server-removed", "s1"),
        (3.0, "server-added", "s1"),
    ]
    assert found.goodput_bps == 6000
    assert (found.resets, found.resets_received) == (3, 2)  # not the client's own RST after the end
    assert found.failed_requests == 1
    assert found.ab_failures is not None
    assert (found.ab_failures.reported, found.ab_failures.receive) == (2, 1)


def test_uploads_are_measured_by_what_ab_sent_and_by_the_clients_payload(tmp_path: Path) -> None:
    point = runs.load_balancer_point(
        tmp_path / "p", parameters={"requests": 2, "concurrency": 2, "direction": "upload"}
    )
    (point / "ab.txt").write_text(runs.ab_text(length=0).replace("HTML", "Total body sent:        2000300\nHTML"))
    append_packet(point, make.to_server(40001, 80, make.ACK, payload=500))
    found = analyse_point(point)
    assert found.invalid_reasons == ()
    assert found.goodput_bps == pytest.approx(2 * 1_000_000 * 8 / 0.25, rel=1e-3)
    assert found.director_bypass_share == 0.0  # the 90 % that came past the director are not the client's
    (point / "ab.txt").write_text(runs.ab_text(length=0).replace("HTML", "Total body sent:        1999999\nHTML"))
    assert analyse_point(point).invalid_reasons == ("uploads: 1999999 bytes sent, fewer than 2 x 1000000",)


def test_a_fault_of_the_analysis_costs_only_its_own_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(summary_module, "find_connections", fail)
    found = analyse_point(runs.load_balancer_point(tmp_path / "p"))
    assert found.invalid_reasons == ("the analysis failed: ZeroDivisionError: division by zero",)
    assert found.figure == "7"


def test_a_workload_of_more_than_a_month_is_no_workload() -> None:
    started = Event(t=0.0, event="workload-started", epoch_s=1.0)
    month = 31 * 86_400.0
    assert workload_window([started, Event(t=month, event="workload-ended")], None).duration_s == month
    for too_long in (month + 1, 1e9):
        with pytest.raises(AnalysisError, match="more than a month"):
            workload_window([started, Event(t=too_long, event="workload-ended")], None)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["FIFO", "directory", "device", "link to itself"])
def test_what_lies_in_a_captures_place_and_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    capture = runs.load_balancer_point(tmp_path / "p") / "c-eth0.pcap"
    capture.unlink()
    match kind:
        case "FIFO":
            os.mkfifo(capture)
        case "directory":
            capture.mkdir()
        case "device":
            capture.symlink_to("/dev/zero")
        case _:
            capture.symlink_to(capture.name)
    first, *_ = analyse_point(tmp_path / "p").invalid_reasons
    reason = "Too many levels of symbolic links" if kind == "link to itself" else "not a regular file"
    assert first.endswith(f"c-eth0.pcap: {reason}")
