"""Directors of the paper's section II in a guest: proxies, MPTCP's tokens, a server's number in TCP's timestamps."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from changed_points import Ran, downloads, events, run
from extent import in_test_all

from analysis.pcap import read_pcap
from analysis.summary.model import Balancing

SMALL = (downloads("1 MB", concurrency=10, duration="4 s"), "director_statistics=true")
JOINS_BY_THE_SERVICE = (
    "mptcp.lb_mode=off", "mptcp.deny_join=false", "mptcp.add_addr=false", "mptcp.initial_backup=false",
    "mptcp.client_endpoint=subflow", "mptcp.subflows=2",
)  # fmt: skip


def at_2_s(event: str) -> str:
    return events(f'at = "2 s", {event}')


def balanced(lab: Any, out: Path, protocol: str, *overrides: str) -> tuple[Ran, Balancing]:
    ran = run(lab, out, protocol, *SMALL, *overrides)
    assert ran.status == 0, ran.said
    found = ran.analysed().summary.balancing
    assert found is not None
    return ran, found


def numbers_in(ran: Ran) -> dict[int, Counter[int]]:
    """What the low bits of the timestamps from the service say, by the client's port."""
    found: dict[int, Counter[int]] = {}
    packets = read_pcap(ran.directory / "c-eth0.pcap")
    for port, value in zip(
        packets.dport[packets.sport == 80].tolist(), packets.ts_value[packets.sport == 80].tolist(), strict=True
    ):
        if value:
            found.setdefault(port, Counter())[value & 7] += 1
    return found


def test_a_servers_number_keeps_every_connection_through_a_restart_and_a_change_of_the_pool(lab, tmp_path) -> None:
    what = events('at = "1 s", remove = 2', 'at = "2 s", restart_director = 1')
    ran, found = balanced(lab, tmp_path / "point", "tcp", 'director="server-id"', what)
    assert (found.broken, found.director_entries) == (0, 0) and (found.under_way or 0) > 0
    numbers = numbers_in(ran)
    assert all(len(each) == 1 for each in numbers.values())
    assert {number for each in numbers.values() for number in each} == {1, 2}
    disagreeing = [row for row in ran.rows("reconciliation") if row["holds"] is not True]
    assert disagreeing == []


def test_a_middlebox_that_alters_timestamps_breaks_what_its_balancer_reads_them_of(lab, tmp_path) -> None:
    ran, found = balanced(lab, tmp_path / "point", "tcp", 'director="server-id"', "topology.middlebox=offset")
    numbers = numbers_in(ran)
    assert {number for each in numbers.values() for number in each} == set(range(8))
    assert found.broken > 0
    # What says another server's number is led there, and nothing else.
    rows = ran.rows("connections")
    assert {row["end"] for row in rows} <= {"reset", "closed", "open"}


def test_a_proxy_ends_every_connection_that_it_has_when_it_is_killed(lab, tmp_path) -> None:
    ran, found = balanced(lab, tmp_path / "point", "tcp", 'director="haproxy"', at_2_s("restart_director = 1"))
    ((_, whom),) = ran.happened("director-restarted")
    (change,) = found.changes
    assert whom == "d" and change.broken > 5 and change.broken_new == 0
    assert found.director_entries == pytest.approx(10, abs=2)
    told = json.loads((ran.directory / "settings.json").read_text())["haproxy"]
    assert told["servers"] == {"s1": "ready", "s2": "ready"} and "bind 10.0.1.80:80" in told["configuration"]


def test_a_balancer_that_knows_tokens_leads_joins_to_the_server_of_their_connection(lab, tmp_path) -> None:
    ran, found = balanced(lab, tmp_path / "point", "mptcp", 'director="mptcp-aware"', *JOINS_BY_THE_SERVICE)
    joined = ran.analysed().summary.joins
    assert joined is not None and joined.accepted > 10 and joined.refused == joined.reset == 0
    # A flow for each subflow, a token for each connection.
    assert found.broken == 0 and (found.director_entries or 0) > joined.accepted


@in_test_all("one of the proxies' many forms: TESTBED_TEST_COMBINATIONS=all")
@pytest.mark.parametrize("director", ['{part="nginx"}', '{part="nginx", mode="tcp"}', '{part="haproxy", mode="tcp"}'])
def test_a_server_that_leaves_a_proxys_pool_keeps_what_it_has(lab, tmp_path, director: str) -> None:
    _, found = balanced(lab, tmp_path / "point", "tcp", f"director={director}", at_2_s("remove = 2"))
    assert found.broken == 0 and (found.under_way or 0) > 0


@in_test_all("one of the proxies' many forms: TESTBED_TEST_COMBINATIONS=all")
@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_proxy_speaks_mptcp_and_takes_joins(lab, tmp_path, proxy: str) -> None:
    ran, found = balanced(lab, tmp_path / "point", "mptcp", f'director="{proxy}"', *JOINS_BY_THE_SERVICE)
    summary = ran.analysed().summary
    assert found.broken == 0 and summary.director_bypass_share == 0
    assert summary.joins is not None and summary.joins.accepted > 10 and summary.joins.reset == 0
