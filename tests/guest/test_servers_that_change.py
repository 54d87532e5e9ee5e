"""Servers that crash, are drained, are found sick; paths that are flipped: Fig. 5 with two servers, or three.

A crashed server says nothing. Who waits for it waits as long as its own time-outs say, and these are what is held here.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from changed_points import Ran, downloads, events, run

from analysis.pcap import SYN, read_pcap

CRASH = events('at = "300 ms", crash = 1')
TWO_PAGES = (
    "workload.sizes=10 MB",
    "workload.total=20 MB",
    "workload.min_requests=1",
    "workload.concurrency=2",
)
"""One from each server."""

RETRIES = 5
# net/ipv4/tcp_timer.c, `tcp_model_timeout`: the first retransmission must be so long ago.
GIVES_UP_S = (2 ** (RETRIES + 1) - 1) * 0.2
CLOSE_TIMEOUT_S = 60  # net.mptcp.close_timeout
UPLOADS = (*TWO_PAGES, "workload.direction=upload", f"sysctl.client.net.ipv4.tcp_retries2={RETRIES}", CRASH)


def took_s(ran: Ran) -> float:
    """From the crash to the workload's end."""
    return ran.events[-1].t_s - 0.3


@pytest.mark.parametrize("protocol", ["tcp", "mptcp"])
def test_a_download_from_a_crashed_server_ends_when_the_client_has_no_more_patience(lab, tmp_path, protocol) -> None:
    ran = run(lab, tmp_path / "p", protocol, *TWO_PAGES, "workload.timeout=15 s", CRASH)
    assert ran.status == 1
    assert "The timeout specified has expired" in ran.said
    last_s = last_data_s(ran)
    assert ran.events[-1].t_s == pytest.approx(last_s + 15, abs=0.1)


def last_data_s(ran: Ran) -> float:
    """When the last payload came to the client, in seconds since the workload's start."""
    start_ns = round(ran.events[0].epoch_s * 1e9)
    found = [read_pcap(path) for path in sorted(ran.directory.glob("c-eth*.pcap"))]
    times = [each.time_ns[(each.sport == 80) & (each.payload_bytes > 0)].max() for each in found if len(each.time_ns)]
    return (int(max(times)) - start_ns) / 1e9


def test_an_upload_to_a_crashed_server_ends_when_the_kernel_gives_up(lab, tmp_path) -> None:
    tcp, mptcp = (run(lab, tmp_path / each, each, *UPLOADS) for each in ("tcp", "mptcp"))
    assert (tcp.status, mptcp.status) == (1, 1)
    assert "Connection timed out" in tcp.said
    # The first retransmission comes some 200 ms after the crash, and the last timer may have begun just before.
    assert GIVES_UP_S + 0.2 < took_s(tcp) < 2 * GIVES_UP_S
    assert took_s(mptcp) - took_s(tcp) == pytest.approx(CLOSE_TIMEOUT_S, abs=3)


def test_new_connections_come_to_a_crashed_server_until_its_health_check_has_failed(lab, tmp_path) -> None:
    check = 'director.health_check={ interval = "1 s", timeout = "500 ms", failures = 2 }'
    happens = events('at = "2300 ms", crash = 1', 'at = "4700 ms", back = 1')
    loads = downloads("1 MB", concurrency=40, duration="6 s")
    ran = run(lab, tmp_path / "p", "tcp", loads, happens, check)
    # The checks of 3 s and 4 s fail, each known half a second later; the one of 5 s succeeds.
    assert [each for each in ran.events if each.by] == [each for each in ran.events if each.by == "d"]
    assert ran.happened("server-removed") == [(pytest.approx(4.5, abs=0.001), "s1")]
    assert ran.happened("server-added") == [(pytest.approx(5.5, abs=0.001), "s1")]
    seen = first_syns_s(ran, "s1")
    in_vain, out, well = (np.count_nonzero((seen >= a) & (seen < b)) for a, b in ((2.31, 4.5), (4.502, 5.5), (5.5, 6)))
    assert in_vain > 0 and well > 0
    assert out == 0
    waited = [row for row in ran.rows("connections") if row["server"] == "s1" and 2.31 <= row["syn_s"] < 4.5]
    assert len(waited) == in_vain
    assert all(row["established_s"] is None or row["established_s"] > 4.7 for row in waited)


def test_a_director_that_finds_everybody_sick_takes_nobody_out(lab, tmp_path) -> None:
    check = 'director.health_check={ interval = "1 s", timeout = "10 ms", failures = 1 }'
    ran = run(
        lab, tmp_path / "p", "tcp", downloads("1 MB", concurrency=4, duration="3 s"), check,
        'topology.director_server.delay="20 ms"',
    )  # fmt: skip
    assert [each for each in ran.events if each.by] == []
    assert {row["server"] for row in ran.rows("connections") if (row["syn_s"] or 0.0) > 1.1} >= {"s1", "s2"}


def first_syns_s(ran: Ran, server: str) -> np.ndarray:
    """When the first SYN of each of the client's connections came to a server, since the workload's start."""
    packets = read_pcap(ran.directory / f"{server}-eth0.pcap")
    rows = np.flatnonzero(((packets.flags & SYN) != 0) & (packets.dport == 80) & (packets.src == int_of("10.0.1.2")))
    _, first = np.unique(packets.sport[rows], return_index=True)
    return (packets.time_ns[rows][first] - round(ran.events[0].epoch_s * 1e9)) / 1e9


def int_of(address: str) -> int:
    return int.from_bytes(map(int, address.split(".")))


def test_a_drained_server_gets_no_new_connections_and_keeps_the_old_ones(lab, tmp_path) -> None:
    loads = downloads("5 MB", concurrency=4, duration="5 s")
    ran = run(lab, tmp_path / "p", "tcp", loads, events('at = "2 s", drain = 1'))
    of_s1 = [row for row in ran.rows("connections") if row["server"] == "s1"]
    assert max(row["syn_s"] for row in of_s1) < 2
    assert all(row["end"] == "closed" for row in of_s1)
    assert sum(row["churn_events"] for row in of_s1) == 3
    assert sum(row["syn_s"] > 2 for row in ran.rows("connections")) >= 4


def test_a_flip_leads_every_flow_to_the_other_director(lab, tmp_path) -> None:
    loads = downloads("5 MB", concurrency=6, duration="4 s")
    flips = ("topology.directors=2", events('at = "2 s", flip = 1'))
    tcp = run(lab, tmp_path / "tcp", "tcp", loads, *flips)
    there = [row for row in tcp.rows("connections") if row["syn_s"] < 2 and (row["end_s"] or 9) > 2]
    assert Counter(row["end"] for row in there) == {"reset": 6}
    mptcp = run(lab, tmp_path / "mptcp", "mptcp", loads, *flips)
    assert all(row["survived"] for row in mptcp.rows("connections"))


def test_connections_are_spread_over_three_servers_as_configured(lab, tmp_path: Path) -> None:
    for scheduler, counts in (("rr", {"s1": 20, "s2": 20, "s3": 20}), ("wrr", {"s1": 30, "s2": 20, "s3": 10})):
        weights = ["director.weights=[3, 2, 1]"] if scheduler == "wrr" else []
        pages = ("workload.sizes=100 KB", "workload.total=6 MB", "workload.min_requests=1", "workload.concurrency=6")
        chosen = ("topology.servers=3", f"director.scheduler={scheduler}", *weights)
        ran = run(lab, tmp_path / scheduler, "mptcp", *chosen, *pages)
        used = [row for row in ran.rows("connections") if row["bytes_to_client"]]
        assert Counter(row["server"] for row in used) == counts
        assert all(row["join_wait_s"] is not None for row in used)


def test_a_workload_that_is_done_before_something_should_have_happened_to_it_fails(lab, tmp_path) -> None:
    ran = run(lab, tmp_path / "p", "tcp", *TWO_PAGES, events('at = "1000 s", remove = 1'))
    assert ran.status == 1
    assert "the workload ended before what the timetable has at 1000 s" in ran.said
    assert (ran.directory / "counters.json").is_file()
