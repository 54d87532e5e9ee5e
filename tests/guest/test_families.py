"""Points over IPv6, and with the service address of one family and the servers' own of the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from guest_points import planned, run_soundly

from analysis.summary.model import PointSummary
from analysis.summary.of_point import PointAnalysis, analyse_point_fully
from testbed.net.tunnels import OVER_IPV6
from testbed.record.director import read_director_statistics
from testbed.runs import digests

IPV6, DUAL = ("topology.family=ipv6",), ("topology.family=dual",)
SERVICE_IPV6 = (*DUAL, "topology.service_family=ipv6")
PAGES = ("workload.sizes=1000 KB", "workload.total=20 MB", "workload.min_requests=20")
SMALL_PAGES = ("workload.sizes=100 KB", "workload.total=2 MB", "workload.min_requests=20")
# A round of downloads takes 3.4 s: none is new at a change (at 2 s and at 4 s).
CHURN = ("workload.concurrency=12", "workload.duration=5 s", "timetable.cycle=4 s", "timetable.up=2 s")


def run_point(
    lab, out: Path, name: str, protocol: str, *overrides: str, schemes: tuple[str, ...] = ()
) -> PointAnalysis:
    run_soundly(lab, out, planned(name, protocol, overrides, schemes))
    found = analyse_point_fully(out)
    assert found.summary.valid, found.summary.invalid_reasons
    return found


def all_joined(summary: PointSummary) -> bool:
    return summary.failed_requests == 0 and summary.joined == summary.connections


@pytest.mark.parametrize(
    ("families", "limit_bps", "service", "unique"),
    [
        (IPV6, 1e9 * 1400 / 1538, "fd00:1::80", "fd00:3::101"),
        (DUAL, 1e9 * 1400 / 1538, "10.0.1.80", "fd00:3::101"),
        (SERVICE_IPV6, 1e9 * 1420 / 1538, "fd00:1::80", "10.0.3.101"),
    ],
    ids=["ipv6", "service-ipv4", "service-ipv6"],
)
def test_every_connection_joins_and_the_direct_path_is_full(
    lab, tmp_path, families, limit_bps, service, unique
) -> None:
    found = run_point(lab, tmp_path / "p", "fig07", "mptcp", *families, *PAGES)
    summary = found.summary
    assert summary.wire_limit_bps == pytest.approx(limit_bps, abs=0.1)
    assert all_joined(summary) and summary.connections >= 20  # ab may open one or two more than it needs
    assert summary.goodput_bps >= 0.9 * limit_bps and summary.director_bypass_share >= 0.85
    announced = {row["address"] for row in found.tables["announcements"].to_pylist()}
    subflows = found.tables["subflows"].to_pylist()
    assert announced == {unique}
    assert {row["server_address"] for row in subflows if row["kind"] == "initial"} == {service}
    assert {row["server_address"] for row in subflows if row["kind"] == "join"} == {unique}


@pytest.mark.parametrize("families", [IPV6, SERVICE_IPV6], ids=["ipv6", "service-ipv6"])
def test_direct_return_over_ipv6_fills_the_direct_path(lab, tmp_path, families) -> None:
    direct_return = (*families, "director.part=ipvs-dr", "topology.servers=2")
    summary = run_point(lab, tmp_path / "p", "fig07", "tcp", *direct_return, *PAGES).summary
    assert summary.wire_limit_bps == pytest.approx(1e9 * 1428 / 1538, abs=0.1)
    assert 0.98 * summary.wire_limit_bps <= summary.goodput_bps <= summary.wire_limit_bps


@pytest.mark.parametrize("tunnel", OVER_IPV6)
def test_a_tunnel_over_ipv6_adds_its_headers_to_each_packet_to_a_server(lab, tmp_path, tunnel: str) -> None:
    by_tunnel = (*IPV6, f'director={{part="ipvs-tun", tunnel="{tunnel}"}}', "director_statistics=true")
    summary = run_point(lab, tmp_path / "p", "fig07", "tcp", *by_tunnel, *PAGES).summary
    assert 0.98 * summary.wire_limit_bps <= summary.goodput_bps <= 1.005 * summary.wire_limit_bps
    statistics = read_director_statistics(tmp_path / "p")
    assert statistics is not None
    before, after = statistics.before["d"], statistics.after["d"]
    size = after.balancer.to_servers.bytes - before.balancer.to_servers.bytes
    packets = after.balancer.to_servers.packets - before.balancer.to_servers.packets
    sent = after.interfaces["d-eth1"]["tx_bytes"] - before.interfaces["d-eth1"]["tx_bytes"]
    assert sent == pytest.approx(size + packets * (14 + OVER_IPV6[tunnel].overhead_bytes), rel=0.001)


def test_a_client_with_plain_ipv4_sockets_joins_no_ipv6_address(lab, tmp_path) -> None:
    plain = (*DUAL, "topology.client_sockets=ipv4")
    summary = run_point(lab, tmp_path / "p", "fig07", "mptcp", *plain, *PAGES).summary
    assert summary.wire_limit_bps == pytest.approx(1e8 * 1420 / 1538, abs=0.1)
    assert (summary.joined, summary.director_bypass_share) == (0, 0.0)
    assert 0.98 * summary.wire_limit_bps <= summary.goodput_bps <= summary.wire_limit_bps


def test_an_anycast_change_breaks_tcp_over_ipv6_and_each_rst_has_its_sender(lab, tmp_path) -> None:
    found = run_point(lab, tmp_path / "p", "fig13", "tcp", *IPV6, *CHURN)
    assert found.summary.failed_requests > 0
    received = [row for row in found.tables["resets"].to_pylist() if row["direction"] == "to-client"]
    assert received and {row["sender_evidence"] for row in received} == {"capture"}
    assert {row["churn"] for row in received if row["ended_connection"]} == {"removed", "added"}


@pytest.mark.parametrize("families", [IPV6, DUAL, SERVICE_IPV6], ids=["ipv6", "service-ipv4", "service-ipv6"])
def test_an_anycast_change_does_not_break_mptcp(lab, tmp_path, families) -> None:
    assert all_joined(run_point(lab, tmp_path / "p", "fig14", "mptcp", *families, *CHURN).summary)


@pytest.mark.parametrize("families", [IPV6, DUAL], ids=["ipv6", "service-ipv4"])
def test_an_add_addr_of_ipv6_is_lost_once_in_each_connection(lab, tmp_path, families) -> None:
    found = run_point(lab, tmp_path / "p", "fig07", "mptcp", *families, *SMALL_PAGES, "drop.packet=add-addr")
    counts = json.loads((tmp_path / "p" / "loss_injection.json").read_text())
    assert 20 <= counts["dropped"] == counts["connections"] <= found.summary.connections


def test_the_userspace_path_manager_announces_the_address_of_the_other_family(lab, tmp_path) -> None:
    overrides = (*DUAL, *PAGES, "mptcp.path_manager=userspace")
    summary = run_point(lab, tmp_path / "p", "fig07", "mptcp", *overrides, schemes=("upstream",)).summary
    assert all_joined(summary)
    said = (tmp_path / "p" / "path-manager-s1.txt").read_text().splitlines()
    assert said[1].startswith(f"stopped: connections {summary.connections}, ")


def test_a_point_over_both_families_gives_the_same_bytes_again(lab, tmp_path) -> None:
    for name in ("a", "b"):
        run_point(lab, tmp_path / name, "fig07", "mptcp", *DUAL, *SMALL_PAGES, "topology.servers=2")
    assert digests.of_directory(tmp_path / "a") == digests.of_directory(tmp_path / "b")
