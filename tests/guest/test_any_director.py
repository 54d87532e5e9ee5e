"""Fig. 7 with each IPVS director: the scheme fills all ways that the director leaves, and what the director sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from test_points import run_point

from analysis.summary.model import PointSummary
from testbed.labs.uml import UmlLab
from testbed.record.director import read_director_statistics
from testbed.wire import mptcp_wire_limit_bps

DIRECTORS = {
    "nat": ["director.part=ipvs-nat"],
    "dr": ["director.part=ipvs-dr", "director.scheduler=mh"],
    "ipip": ["director.part=ipvs-tun"],
    "gre": ["director.part=ipvs-tun", "director.tunnel=gre"],
    "gue": ["director.part=ipvs-tun", "director.tunnel=gue", "topology.director_server.mtu=1600 B"],
}
SMALL = ("workload.sizes=1000 KB", "workload.total=60 MB", "director_statistics=true")


@dataclass(frozen=True)
class Runs:
    """A director's points: over TCP with its raw directory, and by the paper's scheme."""

    tcp: PointSummary
    directory: Path
    mptcp: PointSummary


@pytest.fixture(scope="module", params=DIRECTORS)
def runs(request: pytest.FixtureRequest, lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    out = tmp_path_factory.mktemp(request.param)
    overrides = [*SMALL, *DIRECTORS[request.param]]
    tcp, mptcp = (run_point(lab, out / each, "fig07", each, *overrides) for each in ("tcp", "mptcp"))
    return Runs(tcp, out / "tcp", mptcp)


def test_the_scheme_fills_all_ways_to_the_client_and_every_connection_joins(runs: Runs) -> None:
    found = runs.mptcp
    ways = {each.interfaces: each.wire_limit_bps for each in found.traits.paths if each.direction == "to-client"}
    limit = sum(each or 0 for each in ways.values())
    assert found.goodput_bps is not None and 0.97 * limit <= found.goodput_bps <= 1.005 * limit
    assert found.connections == found.joined


def test_what_ipvs_has_counted_of_its_servers_is_what_it_has_counted_in_all(runs: Runs) -> None:
    statistics = read_director_statistics(runs.directory)
    assert statistics is not None
    total, (server,) = statistics.after["d"].balancer, statistics.servers["d"].values()
    assert (server.to_server, server.to_clients) == (total.to_servers, total.to_clients)
    assert server.connections == statistics.after["d"].entries


def test_of_a_download_that_is_answered_past_it_the_director_carries_acks_only(runs: Runs) -> None:
    found, statistics = runs.tcp, read_director_statistics(runs.directory)
    assert statistics is not None and found.complete_requests is not None
    before, after = (each["d"].interfaces["d-eth0"] for each in (statistics.before, statistics.after))
    carried = sum(after[way] - before[way] for way in ("rx_bytes", "tx_bytes"))
    share = carried / (found.complete_requests * found.object_bytes)
    if found.director_bypass_share == 0:  # address translation
        assert share > 1
    else:
        assert (found.director_bypass_share, 0 < share < 0.05) == (1, True)


def test_a_mixed_load_by_the_scheme_is_past_the_director_in_both_directions(lab: UmlLab, tmp_path: Path) -> None:
    mixed = ("director=ipvs-dr", "workload.meanwhile=2000 KB", "workload.sizes=1000 KB")
    found = run_point(lab, tmp_path / "p", "upload", "mptcp", *mixed, "workload.total=60 MB")
    assert found.goodput_bps is not None and found.goodput_bps > 0.6 * mptcp_wire_limit_bps(10**9, upload=True)
    down_bps = found.meanwhile_goodput_bps
    assert down_bps is not None and 0.9 * mptcp_wire_limit_bps(10**9) < down_bps < mptcp_wire_limit_bps(10**9)
