"""What a director says of itself beside what was captured at it, in a guest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from guest_points import planned, run_soundly

from analysis.pcap import read_pcap
from testbed.record.director import read_director_captures, read_director_statistics, read_state_samples
from testbed.record.point import Point

SMALL = ("workload.sizes=1000 KB", "workload.total=40 MB", "director_statistics=true")


@pytest.fixture(scope="module", params=["ipvs-nat", "nft"])
def page_loads(lab, tmp_path_factory, request) -> Path:
    out: Path = tmp_path_factory.mktemp("point")
    run_soundly(lab, out, planned("fig07", "tcp", [*SMALL, f"director={request.param}"]))
    return out


def test_a_balancer_counts_what_was_captured_at_its_link_to_the_client(page_loads: Path) -> None:
    statistics = read_director_statistics(page_loads)
    (capture,) = read_director_captures(page_loads)
    packets = read_pcap(page_loads / capture.file)
    assert statistics is not None and (capture.node, capture.interface) == ("d", "d-eth0")
    assert statistics.neighbours == {"d": {"d-eth0": "c", "d-eth1": "s1"}}
    before, after = statistics.before["d"].balancer, statistics.after["d"].balancer
    from_service = packets.sport == 80
    for way, captured in (("to_clients", from_service), ("to_servers", ~from_service)):
        grown = getattr(after, way).bytes - getattr(before, way).bytes
        assert grown == pytest.approx(int(packets.ip_bytes[captured].astype(np.int64).sum()), rel=0.001)


def test_each_connection_is_an_entry_that_outlives_it_where_there_is_a_table(page_loads: Path) -> None:
    samples, statistics = read_state_samples(page_loads), read_director_statistics(page_loads)
    entries = [sample.entries["d"] for sample in samples]
    assert statistics is not None and statistics.after["d"].entries == entries[-1] and len(samples) > 3
    if Point.from_json((page_loads / "point.json").read_text()).names["director"] == "nft":
        assert set(entries) == {0}
        assert [sample.shares for sample in samples] == [{"d": {"s1": 1}}] * len(samples)
    else:
        assert entries == sorted(entries) and entries[-1] >= 40
