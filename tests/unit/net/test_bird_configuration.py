"""What BIRD is told, what is read in its answers, and whether BIRD itself takes the configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testbed.directors import bird_configuration as bird
from testbed.directors import routed_network
from testbed.directors.bird_configuration import Speaker, Timers
from testbed.process import run
from topologies import routed_anycast_plan as plan
from topologies.layout import LinkEnd

NEAR, FAR = LinkEnd("r1", "r1-eth1", "10.0.12.1"), LinkEnd("r1", "r1-eth2", "10.0.14.1")
SPEAKER = Speaker("r1", {NEAR: 10, FAR: 20}, passive=("r1-eth0",))

# `birdc show ospf topology` (BIRD 2.0.12) of three routers in a row, of which the last has not answered yet.
TOPOLOGY = """\
BIRD 2.0.12 ready.
Access restricted

area 0.0.0.0

\trouter 10.0.12.1
\t\tdistance 0
\t\trouter 10.0.12.2 metric 10

\trouter 10.0.12.2
\t\tdistance 10
\t\trouter 10.0.12.1 metric 10
\t\trouter 10.0.23.3 metric 5
"""
NEIGHBOURS = """\
fabric:
Router ID   \tPri\t     State     \tDTime\tInterface  Router IP
10.0.12.2   \t  1\tFull/PtP  \t 3.128\tr1-eth1    10.0.12.2
10.0.14.4   \t  1\tExStart/PtP  \t 3.166\tr1-eth2    10.0.14.4
"""


def written(folder: Path, timers: Timers) -> Path:
    """All files of a router that announces its own server and prefers another one."""
    config = folder / "r1.conf"
    config.write_text(bird.configuration(SPEAKER, timers))
    for end, cost in SPEAKER.links.items():
        (folder / bird.cost_file(end)).write_text(bird.cost(end, cost))
    (folder / bird.ANNOUNCED.format("r1")).write_text(bird.announced("10.0.0.80"))
    (folder / bird.OWN.format("r1")).write_text(bird.own_route("10.0.0.80", "10.0.22.2"))
    (folder / bird.PREFERRED.format("r1")).write_text(bird.preferred_route("10.0.0.80", "10.0.14.4"))
    return config


def test_every_link_has_its_cost_and_the_timers() -> None:
    text = bird.configuration(SPEAKER, Timers(hello_s=2, dead_s=7))
    for end in SPEAKER.links:
        cost = f"cost_{end.interface.replace('-', '_')}"
        assert f'interface "{end.interface}" {{ type ptp; cost {cost}; hello 2; dead 7; }};' in text
        assert f'include "{bird.cost_file(end)}";' in text
    assert 'interface "r1-eth0" { stub; };' in text
    assert "router id 10.0.12.1;" in text
    assert "bfd" not in text


def test_a_server_that_speaks_gets_no_routes_into_its_kernel() -> None:
    server = Speaker("s1", {LinkEnd("s1", "s1-eth0", "10.0.22.2"): 1}, forwards=False)
    assert "export none; }; }\n" in bird.configuration(server, Timers())
    assert "export all; }; }\n" in bird.configuration(SPEAKER, Timers())


@pytest.mark.skipif(shutil.which("bird", path="/usr/sbin:/usr/bin:/sbin:/bin") is None, reason="no bird here")
@pytest.mark.parametrize("timers", [Timers(), Timers(hello_s=3, dead_s=12, bfd_s=0.05)])
def test_bird_takes_all_of_it(tmp_path: Path, timers: Timers) -> None:
    run(["/usr/sbin/bird", "-p", "-c", written(tmp_path, timers)])


def test_the_database_is_complete_when_each_link_is_there_from_both_ends() -> None:
    lines = TOPOLOGY.splitlines()
    assert routed_network.links_of(lines) == {
        ("10.0.12.1", "10.0.12.2"): 10,
        ("10.0.12.2", "10.0.12.1"): 10,
        ("10.0.12.2", "10.0.23.3"): 5,
    }
    assert routed_network.distances_of(lines) == {"10.0.12.1": 0, "10.0.12.2": 10}


def test_neighbours_have_a_state_by_their_interface() -> None:
    states = routed_network.neighbours_of(NEIGHBOURS.splitlines())
    assert states == {"r1-eth1": "Full/PtP", "r1-eth2": "ExStart/PtP"}


def test_the_shortest_ways_of_fig_3_are_those_that_its_costs_say() -> None:
    metrics = {}
    for link in plan.routed((10, 20, 10, 10), server_cost=1):
        metrics[link.near.node, link.far.node] = metrics[link.far.node, link.near.node] = link.cost
    assert routed_network.shortest(metrics, "r1") == {"r1": 0, "r2": 10, "r3": 20, "r4": 20, "s1": 11, "s2": 21}
    del metrics["r1", "r2"], metrics["r2", "r1"]
    assert routed_network.shortest(metrics, "r1") == {"r1": 0, "r2": 40, "r3": 30, "r4": 20, "s1": 41, "s2": 21}
