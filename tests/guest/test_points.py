"""Whole points in the embedded lab: the paper's claims that every later change must keep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from guest_points import planned, run_soundly

from analysis.pcap import read_pcap
from analysis.summary.model import PointSummary, read_summary
from analysis.summary.of_point import analyse_point, analyse_point_fully
from testbed.record.captures import read_server_captures
from testbed.record.events import read_events


def run_point(lab, out: Path, name: str, protocol: str, *overrides: str, schemes: Iterable[str] = ()) -> PointSummary:
    run_soundly(lab, out, planned(name, protocol, overrides, schemes))
    summary = analyse_point(out)
    assert summary.valid, summary.invalid_reasons
    return summary


SMALL = ("workload.sizes=1000 KB", "workload.total=40 MB")


def test_tcp_through_the_director_fills_the_wire(lab, tmp_path) -> None:
    summary = run_point(lab, tmp_path / "p", "fig07", "tcp", *SMALL)
    assert summary.goodput_bps == pytest.approx(summary.wire_limit_bps, rel=0.02)
    assert summary.goodput_bps <= summary.wire_limit_bps
    assert summary.director_bypass_share == 0
    assert summary.connections == 40


@pytest.fixture(scope="module")
def page_loads(lab, tmp_path_factory) -> PointSummary:
    return run_point(lab, tmp_path_factory.mktemp("page-loads") / "p", "fig07", "mptcp", *SMALL)


def test_mptcp_leaves_the_director(page_loads) -> None:
    summary = page_loads
    assert summary.goodput_bps >= 0.9 * summary.wire_limit_bps
    assert summary.director_bypass_share >= 0.85
    assert summary.joined == summary.connections >= 40  # ab opens one or two more than it needs


def test_a_client_with_one_interface_loads_no_faster_than_it_is(lab, tmp_path) -> None:
    """Fig. 6 of the paper: what two paths of 1 Gbit/s carry behind one interface."""
    one = ("topology.client_link={rate='1 Gbit/s'}", "workload.sizes=1000 KB", "workload.total=40 MB")
    tcp, mptcp = (run_point(lab, tmp_path / each, "fig06", each, *one) for each in ("tcp", "mptcp"))
    assert tcp.goodput_bps == pytest.approx(tcp.wire_limit_bps, rel=0.01)
    assert mptcp.goodput_bps == pytest.approx(mptcp.wire_limit_bps, rel=0.01)
    assert mptcp.joined == mptcp.connections
    assert mptcp.director_bypass_share >= 0.85


def test_mptcp_uploads_leave_the_director(lab, tmp_path) -> None:
    tcp = run_point(lab, tmp_path / "tcp", "upload", "tcp", *SMALL)
    summary = run_point(lab, tmp_path / "mptcp", "upload", "mptcp", *SMALL)
    assert tcp.director_bypass_share == 0
    assert summary.goodput_bps >= 5 * tcp.goodput_bps
    assert summary.director_bypass_share >= 0.75
    assert summary.joined == summary.connections >= 100
    stored = json.loads((tmp_path / "mptcp" / "uploads.json").read_text())
    assert stored == {"bytes": 1_000_000, "stored": ["/tmp/testbed/uploads-s1/1000000.bin"]}


@pytest.fixture
def busy_core():
    """Every core of this machine has something else to do as well."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def test_the_same_point_gives_the_same_goodput_on_a_busy_machine(lab, tmp_path, busy_core) -> None:
    first = run_point(lab, tmp_path / "a", "fig07", "mptcp", *SMALL)
    second = run_point(lab, tmp_path / "b", "fig07", "mptcp", *SMALL)
    assert second.goodput_bps == pytest.approx(first.goodput_bps, rel=0.001)


def test_three_servers_share_the_connections(lab, tmp_path) -> None:
    summary = run_point(lab, tmp_path / "p", "fig07", "mptcp", "topology.servers=3", *SMALL)
    assert summary.joined == summary.connections >= 40  # ab opens one or two more than it needs


def servers_between_changes(out: Path) -> Iterable[set[str]]:
    """For each client port that sent a SYN or a RST while the routes stayed the same: the servers it went to."""
    events = read_events(out)
    start_s = events[0].epoch_s
    changes_ns = [round((start_s + event.t_s) * 1e9) for event in events if event.event.startswith("server-")]
    found: dict[tuple[int, int], set[str]] = defaultdict(set)
    for capture in read_server_captures(out):
        packets = read_pcap(out / capture.file)
        for number, t_ns in enumerate(packets.time_ns.tolist()):
            if packets.dport[number] == 80:
                epoch = sum(t_ns > change for change in changes_ns)
                found[epoch, int(packets.sport[number])].add(capture.node)
    return found.values()


def point_of(run: Path, figure: str) -> tuple[Path, PointSummary]:
    """The raw directory and the summary of the run's one point of a figure."""
    (summary,) = [each for each in read_summary(run) if each.figure == figure]
    return run / "points" / summary.id, summary


def test_an_anycast_change_breaks_tcp(anycast_run) -> None:
    raw, summary = point_of(anycast_run, "13")
    assert summary.resets > 0
    assert summary.failed_requests > 0
    tables = analyse_point_fully(raw).tables
    reconciled = {(row["quantity"], row["node"]): row for row in tables["reconciliation"].to_pylist()}
    assert reconciled["failed requests", None]["explained"] == summary.failed_requests
    assert {key: row["note"] for key, row in reconciled.items() if row["holds"] is not True} == {}
    received = [row for row in tables["resets"].to_pylist() if row["direction"] == "to-client"]
    assert {row["sender_evidence"] for row in received} == {"capture"}
    assert {row["churn"] for row in received if row["ended_connection"]} == {"removed", "added"}
    # The router hashes what is in the packet: a RST of the client, which no socket sent, goes where its flow goes.
    everything = list(servers_between_changes(raw))
    assert len(everything) > 24 and {len(servers) for servers in everything} == {1}


def test_an_anycast_change_does_not_break_mptcp(anycast_run) -> None:
    _, summary = point_of(anycast_run, "14")
    assert summary.failed_requests == 0
    assert summary.joined == summary.connections


def test_the_userspace_path_manager_does_as_well_as_the_kernels(lab, tmp_path) -> None:
    kernels = run_point(lab, tmp_path / "kernel", "fig07", "mptcp", *SMALL, schemes=["upstream"])
    overrides = ("mptcp.path_manager=userspace", *SMALL)
    userspace = run_point(lab, tmp_path / "p", "fig07", "mptcp", *overrides, schemes=["upstream"])
    assert userspace.joined == userspace.connections >= 40
    assert userspace.director_bypass_share >= kernels.director_bypass_share - 0.01
    said = (tmp_path / "p" / "path-manager-s1.txt").read_text().splitlines()
    assert said[0] == "ready" and said[1].startswith(f"stopped: connections {userspace.connections}, ")
