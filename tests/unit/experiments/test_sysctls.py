"""`[sysctl]`: set where it acts, or refused with the place where it would."""

from __future__ import annotations

import pytest

from experiments import plan as planning
from experiments.composition import parts_of
from experiments.needs import of_point
from experiments.plan import Point
from testbed.base.errors import TestbedError

HASH = "net.ipv4.fib_multipath_hash_policy"


def points(figure: str, *overrides: str) -> list[Point]:
    return planning.plan(planning.load(planning.find(figure)), overrides=overrides)


def test_a_role_has_sysctls_of_its_own() -> None:
    bursts = {"net.ipv4.tcp_tso_rtt_log": 30}
    cases = (("13", "router", HASH, bursts), ("7", "director", "net.ipv4.vs.conntrack", {}))
    for figure, role, name, shipped in cases:
        for point in points(figure, f"sysctl.{role}.{name}=1", "sysctl.net.ipv4.tcp_sack=0"):
            assert point.parameters["sysctl"] == {"net.ipv4.tcp_sack": 0, **shipped}
            assert point.parameters["sysctl_of"] == {role: {name: 1}}
            assert name in {need.sysctl for need in of_point(point)}


@pytest.mark.parametrize(
    ("figure", "override", "nodes"),
    [
        ("3", "", ("r1", "r2", "r3", "r4")),
        ("3", 'director.announced_by="server"', ("r1", "r2", "r3", "r4")),
        ("13", "", ("r",)),
        ("7", "", ("d",)),
        ("7", "topology.directors=2", ("d1", "d2")),
    ],
)
def test_a_role_is_that_of_every_node_that_plays_it(figure: str, override: str, nodes: tuple[str, ...]) -> None:
    parts = parts_of(points(figure, *filter(None, [override]))[0])
    assert parts.topology.layout().nodes_of(parts.director.role) == nodes


def test_a_point_without_them_is_the_bytes_that_it_was() -> None:
    for figure in ("7", "13"):
        assert all("sysctl_of" not in point.parameters for point in points(figure, "sysctl.net.ipv4.tcp_sack=0"))


@pytest.mark.parametrize(
    ("figure", "option", "pattern"),
    [
        ("13", f"sysctl.{HASH}=1", r"write it in \[sysctl.router\]"),
        ("13", f"sysctl.client.{HASH}=1", r"write it in \[sysctl.router\]"),
        ("13", "sysctl.net.ipv6.fib_multipath_hash_policy=1", r"write it in \[sysctl.router\]"),
        ("7", f"sysctl.{HASH}=1", "there is none here"),
        ("7", "sysctl.net.ipv4.vs.conntrack=1", r"write it in \[sysctl.director\]"),
        ("7", "sysctl.server.net.ipv4.vs.conntrack=1", r"write it in \[sysctl.director\]"),
        ("13", "sysctl.router.net.ipv4.vs.conntrack=1", "there is none here"),
        ("13", "sysctl.net.ipv4.ip_forward=1", r"write it in \[sysctl.router\]"),
        ("7", "sysctl.net.ipv4.conf.all.forwarding=1", r"write it in \[sysctl.director\]"),
        ("7", "sysctl.router.net.ipv4.ip_forward=1", "there is no router"),
        ("7", "sysctl.net.mptcp.add_addr_timeout=5", "the key for it is: mptcp.add_addr_timeout"),
        ("7", "sysctl.client.net.mptcp.enabled=0", "the key for it is: protocols"),
        ("7", "sysctl.server.net.mptcp.pm_type=1", "the key for it is: mptcp.path_manager"),
        ("7", "sysctl.client.net.mptcp.cwnd_push=1", "the key for it is: mptcp.cwnd_push"),
        ("7", "sysctl.client.net.mptcp.join_syn_rto_min=50", "the key for it is: mptcp.join_syn_rto_min"),
        ("7", "sysctl.net.mptcp.join_syn_rto_min=50", "the key for it is: mptcp.join_syn_rto_min"),
        ("7", "sysctl.router=1", "must be a table"),
        ("7", "sysctl.client.kernel.panic=1", "not the name of a sysctl"),
        ("7", "sysctl.client.net.ipv4.tcp_sack=true", "a whole number or a text"),
        ("7", 'sysctl.net.ipv4.tcp_rmem="1\\n2"', "one line"),
        ("7", f"sysctl.net.ipv4.tcp_rmem={'9' * 300}", "64 bits"),
    ],
)
def test_a_sysctl_that_nobody_there_obeys_is_refused(figure: str, option: str, pattern: str) -> None:
    with pytest.raises(TestbedError, match=pattern) as caught:
        points(figure, option)
    assert "\n" not in str(caught.value)


def test_the_receivers_half_of_cwnd_push_is_free_where_that_is_off() -> None:
    option = "sysctl.net.mptcp.initial_rcv_wnd=1"
    assert points("7", "mptcp.cwnd_push=off", option)
    with pytest.raises(TestbedError, match=r"the key for it is: mptcp\.cwnd_push"):
        points("7", option)


def test_what_the_toolkit_sets_on_servers_only_a_client_may_have() -> None:
    assert points("7", "sysctl.client.net.mptcp.add_addr_timeout=5")


def test_what_the_toolkit_sets_on_clients_only_a_server_may_have() -> None:
    assert points("7", "sysctl.server.net.mptcp.join_syn_rto_min=50")


def test_a_director_that_is_no_lvs_does_not_obey_what_is_for_it() -> None:
    name = "net.ipv4.vs.sloppy_tcp"
    own = f'sysctl.director."{name}"=1'
    assert points("7", own, "director.part=ipvs-dr")[0].sysctl_of == {"director": {name: 1}}
    with pytest.raises(TestbedError, match="only LVS obeys it, and the director 'nft' is none"):
        points("7", own, "director.part=nft")
