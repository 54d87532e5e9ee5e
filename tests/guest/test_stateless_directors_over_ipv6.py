"""Directors by nftables over IPv6: the scheme fills all ways, and what their rules count is what was captured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from test_points import run_point

from analysis.pcap import read_pcap
from testbed.net import mptcp
from testbed.record.director import read_director_captures, read_director_statistics

DISRUPTION = str(Path(__file__).with_name("disruption_probe.py"))
IPV6 = "topology.family=ipv6"
SERVICE_IPV6 = ("topology.family=dual", "topology.service_family=ipv6")
PAGES = ("workload.sizes=1000 KB", "workload.total=60 MB", "director_statistics=true")
NAT, DSR, SECOND_CHANCE = "director=nft", 'director={part="nft", form="dsr"}', "director=second-chance"


def ip_bytes(directory: Path, *, from_service: bool) -> int:
    """What was captured at the director's link to the client, from IP's header on."""
    (capture,) = read_director_captures(directory)
    packets = read_pcap(directory / capture.file)
    return int(packets.ip_bytes[(packets.sport == 80) == from_service].astype("int64").sum())


@pytest.mark.parametrize(
    "overrides",
    [(NAT, IPV6), (DSR, IPV6), (SECOND_CHANCE, IPV6), (NAT, *SERVICE_IPV6), (DSR, *SERVICE_IPV6)],
    ids=["nat", "dsr", "second-chance", "nat, dual", "dsr, dual"],
)
def test_the_scheme_fills_all_ways_and_the_rules_count_what_was_captured(lab, tmp_path: Path, overrides) -> None:
    found = run_point(lab, tmp_path / "p", "fig07", "mptcp", *PAGES, *overrides)
    ways = {each.interfaces: each.wire_limit_bps for each in found.traits.paths if each.direction == "to-client"}
    limit = sum(each or 0 for each in ways.values())
    assert found.goodput_bps is not None and 0.97 * limit <= found.goodput_bps <= 1.005 * limit
    assert found.failed_requests == 0 and found.connections == found.joined
    statistics = read_director_statistics(tmp_path / "p")
    assert statistics is not None
    before, after = statistics.before["d"].balancer, statistics.after["d"].balancer
    for way, from_service in (("to_servers", False), ("to_clients", True)):
        grown = getattr(after, way).bytes - getattr(before, way).bytes
        assert grown == pytest.approx(ip_bytes(tmp_path / "p", from_service=from_service), rel=0.001)


@pytest.mark.parametrize(
    "families", [(IPV6,), ("topology.family=dual",), SERVICE_IPV6], ids=["ipv6", "dual", "dual, 6"]
)
def test_a_second_chance_keeps_every_connection_in_either_family(guest, families) -> None:
    ended = guest(sys.executable, DISRUPTION, '{part = "second-chance", buckets = 64}', *families)
    assert ended.result.status == 0, ended.stderr.decode()
    assert ended.result.kernel_warnings == ()
    said = json.loads(ended.stdout)
    for change in (said["removed"], said["added"]):
        assert sum(change["connections"].values()) == 300 and set(change["broken"].values()) == {0}


@pytest.mark.parametrize("form", ["nat", "dsr"])
def test_with_buckets_only_the_connections_of_a_server_that_leaves_break(guest, form: str) -> None:
    ended = guest(sys.executable, DISRUPTION, f'{{part = "nft", form = "{form}", buckets = 1024}}', IPV6)
    assert ended.result.status == 0, ended.stderr.decode()
    removed, gone = (json.loads(ended.stdout)[each] for each in ("removed", "gone"))
    assert {name for name, broken in removed["broken"].items() if broken} == {gone}
    assert removed["broken"][gone] == removed["connections"][gone]


def test_joins_come_by_a_port_over_ipv6_where_the_kernel_leaves_the_timestamps_out(
    every_lab, release, tmp_path: Path
) -> None:
    (finding,) = every_lab.probe([mptcp.PORT_OVER_IPV6])
    assert finding.ok == (release.name == "7.3")
    if finding.ok:
        ports = ("director=signalled-port", "topology.servers=2", IPV6)
        found = run_point(every_lab, tmp_path / "p", "fig07", "mptcp", *PAGES, *ports)
        assert found.failed_requests == 0 and found.connections == found.joined
        assert found.director_bypass_share == 0
