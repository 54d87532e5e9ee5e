"""What the kernel says of itself while a point runs, and delays between both ends: in guests.

A trace changes no packet, its reasons of RSTs agree with the causes that the packets tell, and delays are the links'.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from guest_points import ANYCAST, planned, run_soundly

from analysis.pcap import SYN
from analysis.summary.of_point import PointAnalysis, analyse_point_fully, connection_packets
from testbed.record.trace import read_trace
from testbed.runs.digests import of_directory
from testbed.wire import compensated_rate_bps

EVERYTHING = 'trace.events=["resets", "retransmissions", "probes", "mptcp"]'
PAGES = ("workload.sizes=1000 KB", "workload.total=20 MB")
SAID = {"trace.json", "trace.txt", "point.json"}
ETHERNET_BYTES = 14
EXACT_S = 1e-6


def files(out: Path) -> dict[str, str]:
    """The digests of all that both points have: captures, what ab printed, counters, samples, events."""
    return {name: digest for name, digest in of_directory(out).items() if name not in SAID}


@pytest.mark.parametrize(("name", "protocol"), [("fig13", "tcp"), ("fig14", "mptcp")])
def test_a_trace_changes_no_byte(lab, anycast_run: Path, tmp_path: Path, name: str, protocol: str) -> None:
    point, traced = planned(name, protocol, [*ANYCAST, EVERYTHING]), tmp_path / "traced"
    (plain,) = (anycast_run / "points").glob(f"{name}-*")
    run_soundly(lab, traced, point)
    assert len(files(plain)) > 10 and files(plain) == files(traced)
    record = read_trace(traced)
    assert record is not None and (record.clock, record.lost) == ("counter", 0)
    found = analyse_point_fully(traced)
    assert found.summary.valid, found.summary.invalid_reasons
    (_agrees if protocol == "tcp" else _knows_sockets)(found)


def _agrees(found: PointAnalysis) -> None:
    """Every RST has its event, and the kernel's reasons confirm the causes."""
    resets, kernel = found.tables["resets"], found.tables["kernel_resets"]
    numbers = [number for number in kernel["reset"].to_pylist() if number is not None]
    assert sorted(numbers) == list(range(resets.num_rows)) and len(numbers) >= 100
    reasons = [each for each in found.summary.reset_reasons if each.cause and each.specific]
    agreeing = sum(each.count for each in reasons if each.agrees)
    assert agreeing >= 0.99 * sum(each.count for each in reasons)
    # What reaches a server that does not have the connection is answered by its listener.
    assert {each.reason for each in reasons if each.cause == "no-socket"} == {"TCP_FLAGS"}
    states = {row["state"] for row in kernel.to_pylist() if row["reason"] == "TCP_FLAGS"}
    assert states == {"LISTEN"}


def _knows_sockets(found: PointAnalysis) -> None:
    """Each packet that came to an established socket is an event, whose time is that of the packet."""
    probes, decisions = found.tables["kernel_probes"], found.tables["kernel_mptcp"]
    assert probes.num_rows > 1000 and decisions.num_rows > 1000
    ends = probes["end"].to_pylist()
    assert {"client", "server"} == set(ends)
    at = probes["t_s"].to_numpy(zero_copy_only=False)
    assert (np.diff(at[~np.isnan(at)]) >= 0).all()
    known = [number for number in probes["connection"].to_pylist() if number is not None]
    assert len(known) > 0.9 * probes.num_rows
    assert set(known) <= set(found.tables["connections"]["connection"].to_pylist())
    assert "mptcp_subflow_get_send" in decisions["event"].to_pylist()


def test_a_trace_that_was_too_long_makes_its_point_invalid_and_its_tables_empty(lab, tmp_path: Path) -> None:
    run_soundly(lab, tmp_path / "p", planned("fig07", "mptcp", [*PAGES, EVERYTHING, "trace.buffer=1 MB"]))
    found = analyse_point_fully(tmp_path / "p")
    (reason,) = found.summary.invalid_reasons
    assert reason.startswith("trace: ") and "did not fit into 1 MB: a larger trace.buffer" in reason
    assert found.tables["kernel_probes"].num_rows == 0


def test_delays_are_those_of_the_links_to_a_microsecond(lab, tmp_path: Path) -> None:
    slow = "topology.client_director={rate='100 Mbit/s', delay={towards_client='20 ms'}}"
    few = ("workload.sizes=1 KB", "workload.total=20 KB", "workload.min_requests=20", "workload.concurrency=1")
    run_soundly(lab, tmp_path / "p", planned("fig07", "tcp", [slow, *few, "trace.servers=true"]))
    found = analyse_point_fully(tmp_path / "p")
    assert found.summary.valid, found.summary.invalid_reasons
    packets = connection_packets(tmp_path / "p", None)
    column = {name: packets[name].to_numpy(zero_copy_only=False) for name in ("t_s", "one_way_s", "ip_bytes", "flags")}
    to_client = packets["direction"].to_numpy(zero_copy_only=False) == "to-client"
    # The director sends to the client by 100 Mbit/s, to the server by 1 Gbit/s; delay it has towards the client only.
    rate = np.where(to_client, compensated_rate_bps(100_000_000), compensated_rate_bps(1_000_000_000))
    sending = (column["ip_bytes"] + ETHERNET_BYTES) * 8 / rate
    expected = np.where(to_client, 0.02, 0.0) + sending
    known = ~np.isnan(column["one_way_s"])
    assert (~known).sum() <= 2  # the end of the probe, which began before the servers' captures
    arrived = column["t_s"] + np.where(to_client, 0.0, column["one_way_s"])
    for way in (to_client & known, ~to_client & known):
        unqueued = arrived[way] - sending[way] - np.concatenate([[-1.0], arrived[way][:-1]]) > EXACT_S
        errors = np.abs(column["one_way_s"] - expected)[way][unqueued]
        assert len(errors) >= 20 and errors.max() < EXACT_S
    rows = [row for row in found.tables["delays"].to_pylist() if row["sender"] == "client" and row["handshake_s"]]
    (syn,) = set(column["ip_bytes"][column["flags"] == SYN])
    frame = (int(syn) + ETHERNET_BYTES) * 8
    there, back = (frame / compensated_rate_bps(each) for each in (1_000_000_000, 100_000_000))
    assert len(rows) >= 20 and abs(min(row["handshake_s"] for row in rows) - (0.02 + there + back)) < EXACT_S
