"""Fig. 3 in a guest: the link R1-R2 falls silent, and the paper's section IV-B step by step, from the captures.

Three downloads at a time over slow links, so that a point costs little. All times are virtual.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from changed_points import Ran
from guest_points import run_agent

from analysis.pcap import read_pcap
from experiments import plan
from experiments.record import write
from testbed.labs.uml import UmlLab
from testbed.record import outcome
from testbed.record.outcome import Outcome
from testbed.record.routes import read_routes

FIG03 = Path(plan.__file__).with_name("fig03.toml").read_text().partition("[[condition]]")[0]
RATE = 'rate = "10 Mbit/s"'
SMALL = [
    f'topology.client={{ {RATE}, delay = "5 ms" }}',
    f'topology.near={{ {RATE}, delay = "5 ms", cost = 10 }}',
    f'topology.far={{ {RATE}, delay = "10 ms", cost = 20 }}',
    f'topology.inner={{ {RATE}, delay = "5 ms", cost = 10 }}',
    f"topology.server={{ {RATE} }}",
    'workload={ part = "long-downloads", size = "8 MB", concurrency = 3, duration = "12 s" }',
]
FAILS_S = 1.0
HELLO_S, DEAD_S, TICK_S = 1, 4, 1
"""BIRD's: a neighbour is dead 4 s after its last hello, and routes are worked out once a second."""
ONE_WAY_S, BFD_S = 0.005, 0.1
TIMER_WHEEL = 1 / 8
"""How far a timer may be late, of its own length (kernel/time/timer.c)."""
SERVICE, R2, R4 = "10.0.0.80", "10.0.12.2", "10.0.14.4"


def run(lab: UmlLab, folder: Path, protocol: str, happens: str, *overrides: str) -> Ran:
    """Run the experiment without its cells, with these events."""
    folder.mkdir()
    (folder / "x.toml").write_text(f'{FIG03}[timetable]\npart = "events"\nevents = [{happens}]\n')
    points = plan.plan(plan.load(folder / "x.toml"), overrides=[*SMALL, *overrides])
    (point,) = [each for each in points if each.protocol == protocol]
    out = folder / "out"
    result = run_agent(lab, out, point, wall_limit_s=600, clock_limit_s=3000)
    said = (out / "guest" / "stderr").read_text()
    assert (result.status, result.kernel_warnings) == (0, ()), said
    write(out / outcome.FILE, Outcome(status="ok"))
    return Ran(out, result.status, said)


@pytest.fixture(scope="module")
def silent(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Both protocols, with a link that falls silent."""
    folder = tmp_path_factory.mktemp("silent")
    happens = f'{{ at = "{FAILS_S:g} s", link_silent = "r1-r2" }}'
    return {each: run(lab, folder / each, each, happens) for each in ("tcp", "mptcp")}


@pytest.fixture(scope="module")
def tables(silent: dict[str, Ran]) -> dict[str, Any]:
    """The tables of each, and its summary."""
    return {protocol: ran.analysed() for protocol, ran in silent.items()}


def rows(tables: dict[str, Any], protocol: str, table: str) -> list[dict[str, Any]]:
    return list(tables[protocol].tables[table].to_pylist())


def test_the_route_moves_when_the_neighbour_has_been_silent_for_long_enough(silent: dict[str, Ran]) -> None:
    for ran in silent.values():
        changes = [each for each in read_routes(ran.directory) if each.is_first and each.destination == SERVICE]
        assert [(each.change, each.via) for each in changes] == [("there", (R2,)), ("set", (R4,))]
        moved_s = changes[1].t_s - FAILS_S
        assert DEAD_S - HELLO_S < moved_s < DEAD_S + TICK_S


def test_both_addresses_of_the_nearer_server_lose_their_way_and_only_one_leads_to_another(silent) -> None:
    routes = read_routes(silent["mptcp"].directory)
    (own,) = [each for each in routes if each.is_first and each.destination == "10.0.22.0/24"]
    (service,) = [each for each in routes if each.is_first and each.destination == SERVICE and each.change == "set"]
    assert own.via == service.via == (R4,)
    assert own.t_s == pytest.approx(service.t_s, abs=0.001)


def test_every_tcp_download_breaks_and_no_joined_one(tables) -> None:
    (tcp,), (mptcp,) = (tables[each].summary.reroutings for each in ("tcp", "mptcp"))
    assert (tcp.server, tcp.under_way, tcp.broken) == ("s1", 3, 3)
    assert (mptcp.server, mptcp.under_way, mptcp.joined, mptcp.broken) == ("s1", 3, 3, 0)
    assert tables["tcp"].summary.failed_requests == 3
    assert tables["mptcp"].summary.failed_requests == 0


def test_a_tcp_download_outlives_its_route_until_the_old_server_retransmits(tables) -> None:
    found = rows(tables, "tcp", "rerouted")
    assert [(row["old_server"], row["new_server"], row["kind"]) for row in found] == [
        ("s1", "s2", "answer to a retransmission")
    ] * 3
    for row in found:
        # From server 1 by R2, R3 and R4; from the client by R4. A packet is captured when its link's delay is over.
        assert row["route_s"] < row["sent_s"] + 4 * ONE_WAY_S < row["arrived_s"]
        assert row["left_s"] - row["arrived_s"] == pytest.approx(ONE_WAY_S, abs=0.001)
        assert row["reached_s"] - row["left_s"] == pytest.approx(2 * ONE_WAY_S, abs=0.001)
        assert row["reset_s"] - row["reached_s"] < 0.001
        assert row["survived"] is False


def test_the_old_server_has_retransmitted_in_vain_at_doubled_intervals(silent, tables) -> None:
    """So what a client waits for is the first retransmission after the route has moved: the last of a series."""
    at_server = read_pcap(silent["tcp"].directory / "s1-eth0.pcap")
    start_ns = round(silent["tcp"].events[0].epoch_s * 1e9)
    for row in rows(tables, "tcp", "rerouted"):
        mine = (at_server.sport == 80) & (at_server.dport == row["client_port"]) & (at_server.payload_bytes > 0)
        sent_s = (at_server.time_ns[mine] - start_ns) / 1e9
        of_last = at_server.seq[mine][sent_s <= row["sent_s"] + 1e-9][-1]
        times = [t for t, seq in zip(sent_s.tolist(), at_server.seq[mine].tolist(), strict=True) if seq == of_last]
        until = [t for t in times if t <= row["sent_s"] + 1e-9]
        waits = [later - earlier for earlier, later in pairwise(until)]
        assert len(waits) >= 2
        doubled = [later / earlier for earlier, later in pairwise(waits[1:])]
        assert doubled == pytest.approx([2] * len(doubled), rel=TIMER_WHEEL)


def test_the_scheme_goes_on_over_the_unique_address(tables) -> None:
    moved_s = FAILS_S + tables["mptcp"].summary.reroutings[0].rerouted_s
    joins = [row for row in rows(tables, "mptcp", "subflows") if row["kind"] == "join" and row["syn_s"] < FAILS_S]
    assert [row["server_address"] for row in joins] == ["10.0.22.2"] * 3
    assert all(row["last_data_to_client_s"] > moved_s + 1 for row in joins)


def test_the_settings_say_whom_each_router_has_found(silent) -> None:
    settings = json.loads((silent["tcp"].directory / "settings.json").read_text())["ospf"]
    assert set(settings) == {"r1", "r2", "r3", "r4"}
    assert {state for each in settings.values() for state in each["neighbours"].values()} == {"Full/PtP"}
    assert settings["r1"]["routes"] == {SERVICE: R2, "10.0.1.2": "r1-eth0", "10.0.22.2": R2, "10.0.44.2": R4}


def test_a_server_that_announces_itself_is_gone_with_its_power(lab, tmp_path) -> None:
    """The second way of announcing: by a speaker on the server. BFD tells its router long before `dead` would."""
    happens = '{ at = "1 s", crash = 1 }'
    ran = run(lab, tmp_path / "p", "tcp", happens, 'director.announced_by="server"', 'director.bfd="100 ms"')
    changes = [each for each in read_routes(ran.directory) if each.is_first and each.destination == SERVICE]
    assert [each.via for each in changes] == [(R2,), (R4,)]
    assert changes[1].t_s - 1 < 3 * BFD_S + 2 * TICK_S < DEAD_S - HELLO_S


def test_a_server_is_no_longer_announced_when_its_router_has_asked_it_in_vain(lab, tmp_path) -> None:
    """A stub network says nothing of its server's life; a health check of the router that announces it does."""
    happens = '{ at = "1500 ms", crash = 1 }'
    check = 'director.health_check={ interval = "1 s", timeout = "200 ms", failures = 2 }'
    ran = run(lab, tmp_path / "p", "tcp", happens, check)
    assert [(each.event, each.server) for each in ran.events if each.by] == [("server-removed", "s1")]
    assert ran.happened("server-removed") == [(pytest.approx(3.2, abs=0.01), "s1")]
    routes = [each for each in read_routes(ran.directory) if each.is_first and each.destination == SERVICE]
    assert [each.via for each in routes] == [(R2,), (R4,)]
    assert 3.2 < routes[1].t_s < 3.2 + 2 * TICK_S
