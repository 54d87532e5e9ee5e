from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import packet_maker as make
import pytest
import run_maker as runs

import analysis
from analysis.flows.joins import Joins, Waits
from analysis.flows.series import workload_window
from analysis.summary import of_run as summary_module
from analysis.summary.model import FailedRequests, PointSummary, SecondBySecond, read_summary
from analysis.summary.of_point import analyse_point
from analysis.summary.of_run import analyse_run, write_summary
from analysis.summary.text import figure_order, render_table
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
    found = analyse_point(ablation_point(tmp_path / "p"))
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
    found = analyse_point(directory)
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


def tamper(directory: Path, name: str, **changes: object) -> None:
    runs.change_json(directory / name, **changes)


def drop_packets(directory: Path) -> None:
    captures = json.loads((directory / "captures.json").read_text())
    captures[1]["dropped"] = 7
    runs.write_json(directory / "captures.json", captures)


def lose_packets(directory: Path) -> None:
    captures = json.loads((directory / "captures.json").read_text())
    captures[0]["captured"] += 5
    runs.write_json(directory / "captures.json", captures)


def cut_capture(directory: Path) -> None:
    path = directory / "c-eth1.pcap"
    path.write_bytes(path.read_bytes()[:-3])


def append_packet(directory: Path, frame: bytes) -> None:
    path = directory / "c-eth0.pcap"
    path.write_bytes(path.read_bytes() + make.pcap_bytes([(runs.START_NS + 90 * runs.MS, frame)])[24:])


def without_join(directory: Path) -> None:
    first = runs.START_NS + 10 * runs.MS
    kept = [
        *make.join(first + 5 * runs.MS, 50001, runs.KEY_A),
        *(make.data(runs.START_NS + 70 * runs.MS + i, 50001, 18_000, past=True) for i in range(50)),
    ]
    make.write_pcap(directory / "c-eth1.pcap", kept)
    runs.write_json(
        directory / "captures.json",
        [{"interface": f"c-eth{i}", "file": f"c-eth{i}.pcap", "captured": 0, "dropped": 0} for i in (0, 1)],
    )
    for _ in range(20):
        append_packet(directory, make.to_client(80, 40002, make.ACK, payload=45_000))


def fall_back(directory: Path) -> None:
    append_packet(directory, make.to_server(40009, 80, make.SYN, options=make.mp_capable()))
    append_packet(directory, make.to_client(80, 40009, make.SYN | make.ACK, options=make.MSS))


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "outcome failed": (
        lambda d: tamper(d, "outcome.json", status="failed", error="guest panic"),
        "the run failed: guest panic",
    ),
    "kernel warning": (
        lambda d: tamper(d, "outcome.json", kernel_warnings=["WARNING: CPU: 0 at x.c:1", "BUG: y"]),
        "kernel warning in the log: WARNING: CPU: 0 at x.c:1 (and 1 more)",
    ),
    "no outcome": (lambda d: (d / "outcome.json").unlink(), "outcome.json: No such file or directory"),
    "drops": (drop_packets, "capture drops: 7 packets on c-eth1"),
    "fewer records": (lose_packets, "capture is not whole: c-eth0.pcap: 5 of 109 packets are missing"),
    "cut capture": (cut_capture, "capture is not whole: c-eth1.pcap: truncated record at byte 14632: 141 bytes"),
    "no capture file": (lambda d: (d / "c-eth1.pcap").unlink(), "c-eth1.pcap: No such file or directory"),
    "empty capture": (lambda d: (d / "c-eth0.pcap").write_bytes(b""), "c-eth0.pcap: the capture is empty"),
    "no captures": (lambda d: runs.write_json(d / "captures.json", []), "no capture was taken"),
    "no ab totals": (lambda d: (d / "ab.txt").write_text(""), "ab.txt: empty: ab printed nothing"),
    "object of another size": (
        lambda d: tamper(d, "point.json", object_bytes=999),
        "document length: 1000000 bytes, but the object has 999",
    ),
    "failed requests": (
        lambda d: (d / "ab.txt").write_text(runs.ab_text(failed=1)),
        "failed requests: 1 of 2",
    ),
    "requests missing": (
        lambda d: tamper(d, "point.json", parameters={"requests": 3}),
        "requests: 2 of 3 complete",
    ),
    "fallback": (
        fall_back,
        "fell back to TCP: 1 of 3 connections",
    ),
    "joins missing": (without_join, "joins missing: 1 of 2"),
    "strange address": (
        lambda d: append_packet(d, make.packet("10.0.11.2", make.CLIENT, 80, 40001, make.ACK, payload=33)),
        "wrong path: 33 bytes from addresses that the point does not have",
    ),
    "no end": (
        lambda d: (d / "events.jsonl").write_text((d / "events.jsonl").read_text().splitlines()[0] + "\n"),
        "the workload's end is not in events.jsonl",
    ),
    "malformed event": (
        lambda d: (d / "events.jsonl").write_text('{"t": 0.0, "event": "workload-started", "epoch_s": 1.0}\n{"t": 1\n'),
        "events.jsonl:2: not JSON",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_the_one_reason_why_a_point_is_invalid(tmp_path: Path, name: str) -> None:
    damage, reason = BREAKS[name]
    directory = runs.load_balancer_point(tmp_path / "p")
    damage(directory)
    found = analyse_point(directory)
    assert not found.valid
    assert len(found.invalid_reasons) == 1
    assert reason in found.invalid_reasons[0]
    assert "\n" not in found.invalid_reasons[0]


@pytest.mark.parametrize(("loss", "valid"), [(0.001, False), (0.2, True)])
def test_a_loss_excuses_as_many_missing_joins_as_it_explains(tmp_path: Path, loss: float, valid: bool) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    without_join(directory)
    tamper(directory, "point.json", parameters={"requests": 2, "client_director_loss": loss, "direct_loss": 0.0})
    assert analyse_point(directory).valid is valid


def test_a_failed_run_explains_its_missing_files(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    tamper(directory, "outcome.json", status="failed", error="the guest was killed")
    for name in ("ab.txt", "captures.json", "events.jsonl"):
        (directory / name).unlink()
    assert analyse_point(directory).invalid_reasons == ("the run failed: the guest was killed",)


def test_bytes_past_the_director_make_a_tcp_point_invalid(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", protocol="tcp")
    append_packet(directory, make.data(0, 50001, 77, past=True)[1])
    assert analyse_point(directory).invalid_reasons == ("wrong path: 77 bytes past the director in a TCP point",)


def test_a_workload_that_ended_early_is_invalid(tmp_path: Path) -> None:
    directory = runs.anycast_point(tmp_path / "p", parameters={"duration_s": 120})
    found = analyse_point(directory)
    assert found.invalid_reasons == ("the workload ended after 4.3 of 120 s",)
    assert found.per_second is not None
    assert len(found.per_second.utilisation_bps) == 4


def test_a_point_that_cannot_be_read_at_all_names_its_directory(tmp_path: Path) -> None:
    (tmp_path / "fig07-x").mkdir()
    found = analyse_point(tmp_path / "fig07-x")
    assert (found.id, found.valid) == ("fig07-x", False)
    assert found.invalid_reasons == ("point.json: No such file or directory",)


def test_a_point_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", version=2)
    assert analyse_point(directory).invalid_reasons == ("point.json: version 2, but this toolkit reads version 1",)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", seed="one")
    assert analyse_point(directory).invalid_reasons == ("point.json: 'seed' is 'one', not of type int",)


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


def make_run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    runs.load_balancer_point(run / "points" / "b-mptcp")
    runs.load_balancer_point(run / "points" / "a-tcp", protocol="tcp")
    runs.anycast_point(run / "points" / "c-anycast")
    (run / "points" / "d-broken").mkdir()
    (run / "points" / ".partial-e").mkdir()
    runs.write_json(run / "run.json", {"version": 1, "state": "complete", "points": ["c-anycast", "b-mptcp", "gone"]})
    return run


def test_a_run_in_worker_processes_is_the_run_in_this_one(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    alone = analyse_run(run, jobs=1)
    assert [point.id for point in alone] == ["c-anycast", "b-mptcp", "a-tcp", "d-broken"]
    assert [point.valid for point in alone] == [True, True, True, False]
    assert analyse_run(run, jobs=2) == alone


def test_the_summary_is_written_and_read_back(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    points = analyse_run(run)
    json_path, text_path = write_summary(run, points)
    document = json.loads(json_path.read_text())
    assert document["version"] == 1
    assert {
        "experiment", "figure", "protocol", "object_bytes", "parameters", "seed", "goodput_bps", "wire_limit_bps",
        "director_bypass_share", "connections", "joined", "failed_requests", "resets", "virtual_s", "wall_s", "valid",
        "invalid_reasons", "clock", "title", "plot", "id", "requests_per_s", "complete_requests", "per_second",
    } <= set(document["points"][0])  # fmt: skip
    assert document["points"][0]["per_second"]["churn"][0] == {"t": 1.0, "event": "server-removed", "server": "s1"}
    assert read_summary(run) == points
    assert text_path.read_text() == render_table(points)
    assert sorted(p.name for p in run.iterdir()) == [
        ".testbed-files", "points", "run.json", "summary.json", "summary.txt",
    ]  # fmt: skip


def test_every_field_of_the_summary_is_documented() -> None:
    readme = (Path(analysis.__file__).with_name("README.md")).read_text(encoding="utf-8")
    fields = [
        *PointSummary.__dataclass_fields__,
        *SecondBySecond.__dataclass_fields__,
        *FailedRequests.__dataclass_fields__,
        *Joins.__dataclass_fields__,
        *Waits.__dataclass_fields__,
    ]
    assert [name for name in fields if f"`{name}`" not in readme] == []


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="No such file"):
        write_summary(tmp_path / "gone", [])


def test_a_directory_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="not a run directory"):
        analyse_run(tmp_path)


def test_a_run_of_a_newer_format_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    runs.write_json(tmp_path / "run.json", {"version": 9})
    with pytest.raises(AnalysisError, match="version 9, but this toolkit reads version 1"):
        analyse_run(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2, "points": []}', '{"version": 1, "points": [{"x": 1}]}'])
def test_a_summary_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(AnalysisError) as caught:
        read_summary(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_table_groups_by_figure_and_gives_the_reasons() -> None:
    points = [
        runs.timeline_summary("tcp"),
        runs.page_size_summary("mptcp", 1000, 850.0, valid=False, invalid_reasons=("joins missing: 3 of 200",)),
        runs.page_size_summary("tcp", 10, 88.0, seed=2),
        runs.page_size_summary("tcp", 10, 80.0, clock="real"),
    ]
    lines = render_table(points).splitlines()
    assert lines[3] == "Fig. 7: HTTP downloads"
    assert lines[4].split() == [
        "TCP",
        "10",
        "2",
        "88.0",
        "94.1",
        "93.5",
        "0.0",
        "1100.0",
        "200",
        "-",
        "0",
        "0",
        "7.1",
        "10.2",
    ]
    assert lines[5].split()[-1] == "INVALID"
    assert lines[6].startswith("  TCP (real time)")
    assert lines[7] == "  ! fig07-mptcp-1000KB-seed1: joins missing: 3 of 200"
    assert lines[9] == "Fig. 13: Anycast, TCP"
    assert lines[-3].startswith("Limit of MPTCP: the direct path alone.")
    assert lines[-1] == "4 points, 1 invalid"
    assert max(map(len, lines)) <= 132


def test_the_table_has_a_group_per_condition_with_the_variants_in_the_order_of_the_run() -> None:
    names = (("1 % loss", "zeta"), ("1 % loss", "alpha"), ("no loss", "zeta"))
    points = [
        runs.page_size_summary(
            "mptcp", 1000, 90.0, figure="", experiment="mine", title="Schemes", condition=condition, variant=variant
        )
        for condition, variant in names
    ]
    lines = render_table(points).splitlines()
    assert [line.split("  ")[1] if line.startswith("  ") else line for line in lines[3:9]] == [
        "mine: Schemes: 1 % loss",
        "zeta",
        "alpha",
        "",
        "mine: Schemes: no loss",
        "zeta",
    ]


def test_figures_sort_by_number() -> None:
    assert sorted(["13", "mine", "7", "11"], key=lambda figure: figure_order(figure, "")) == ["7", "11", "13", "mine"]


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
