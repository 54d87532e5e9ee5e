"""Two directors without shared state behind a router, one of which is lost and comes back (Fig. 5, 100 Mbit/s)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from changed_points import Ran, downloads, events, run

from analysis.pcap import SYN, Packets, read_pcap
from testbed.runs import digests

LOST_S, BACK_S = 3, 6
LOSS = (
    "topology.directors=2",
    "director_statistics=true",
    downloads("10 MB", concurrency=10, duration="10 s"),
    events(f'at = "{LOST_S} s", lose_director = 2', f'at = "{BACK_S} s", director_back = 2'),
)


@pytest.fixture(scope="module")
def ran(lab, tmp_path_factory) -> dict[str, Ran]:
    out = tmp_path_factory.mktemp("lost")
    return {protocol: run(lab, out / protocol, protocol, *LOSS) for protocol in ("tcp", "mptcp")}


def before(ran: Ran, packets: Packets) -> Packets:
    """The packets before the director is lost."""
    start_ns = round(ran.events[0].epoch_s * 1e9)
    return packets.select(np.flatnonzero(packets.time_ns < start_ns + LOST_S * 10**9))


def flows(packets: Packets, *, openings: bool = False) -> set[int]:
    """The client's ports in packets to the service."""
    rows = packets.dport == 80
    if openings:
        rows &= (packets.flags & SYN) != 0
    return set(packets.sport[rows].tolist())


def test_answers_come_back_through_the_director_that_translated(ran) -> None:
    at = [before(ran["tcp"], read_pcap(ran["tcp"].directory / f"d{number}-eth0.pcap")) for number in (1, 2)]
    asked = [flows(each, openings=True) for each in at]
    answered = [set(each.dport[each.sport == 80].tolist()) for each in at]
    assert all(asked) and not asked[0] & asked[1]
    assert answered == asked


def test_what_happens_is_noted_at_its_time(ran) -> None:
    for each in ran.values():
        ((lost_s, lost),) = each.happened("director-lost")
        ((back_s, back),) = each.happened("director-back")
        assert (lost, back) == ("d2", "d2")
        assert (lost_s, back_s) == (pytest.approx(LOST_S, abs=0.01), pytest.approx(BACK_S, abs=0.05))


def test_tcp_breaks_what_the_lost_director_carried_and_again_when_it_is_back(ran) -> None:
    rows = [row for row in ran["tcp"].rows("connections") if row["end"] == "reset"]
    broken = Counter(row["why"].partition(" after ")[2] for row in rows)
    assert broken == {"d2 was lost at 3.0 s": 2, "d2 was back at 6.0 s": 2}
    carried = before(ran["tcp"], read_pcap(ran["tcp"].directory / "d2-eth0.pcap"))
    ended = set(carried.sport[((carried.flags & 1) != 0) & (carried.dport == 80)].tolist())
    assert len(flows(carried) - ended) == broken["d2 was lost at 3.0 s"]


def test_joined_connections_go_on(ran) -> None:
    rows = ran["mptcp"].rows("connections")
    assert all(row["survived"] for row in rows)
    for change_s in (LOST_S, BACK_S):
        outlived = [row for row in rows if row["syn_s"] < change_s < (row["end_s"] or BACK_S + 1)]
        assert len(outlived) == 10  # as many as there are at a time
        assert all(row["join_wait_s"] is not None for row in outlived)


def test_a_point_with_a_loss_repeats_to_the_byte(lab, ran, tmp_path: Path) -> None:
    again = run(lab, tmp_path / "again", "mptcp", *LOSS)
    assert digests.of_directory(again.directory) == digests.of_directory(ran["mptcp"].directory)


def test_a_directors_own_sysctls_are_recorded_beside_those_of_the_file(lab, tmp_path: Path) -> None:
    sloppy = 'sysctl.director."net.ipv4.vs.sloppy_tcp"=1'
    ran = run(
        lab, tmp_path / "p", "tcp", "topology.directors=2", downloads("1 MB", concurrency=2, duration="1 s"), sloppy
    )
    recorded = json.loads((ran.directory / "settings.json").read_text())
    wanted = {"net.ipv4.vs.nat_icmp_send": "1", "net.ipv4.vs.sloppy_tcp": "1"}
    assert [recorded[name]["sysctl"] for name in ("d1", "d2")] == [wanted, wanted]
