"""Fig. 5 with several directors: what is built, who knows which address, and what cannot be."""

from __future__ import annotations

import re

import pytest

from experiments import plan
from experiments.composition import parts_of
from testbed.base.errors import UsageError
from topologies.layout import Layout
from topologies.links import LinkProfile
from topologies.several_directors import SeveralDirectorsPlan, SeveralDirectorsTopo

LINK, FAST = LinkProfile(10**8, delay_s=0.01), LinkProfile(10**9)


def layout(*overrides: str) -> Layout:
    point = plan.plan(plan.load(plan.find("fig07")), overrides=["topology.directors=2", *overrides])[0]
    return parts_of(point).topology.layout()


def test_each_director_is_between_the_router_and_the_switch_of_all_servers() -> None:
    topo = SeveralDirectorsTopo(
        plan=SeveralDirectorsPlan(2, directors=2), client_director=LINK, direct=FAST, server=FAST
    )
    names = sorted("-".join(sorted(link)) for link in topo.links())
    assert names == ["b-d1", "b-d2", "b-s1", "b-s2", "c-r", "c-w", "d1-r", "d2-r", "s1-w", "s2-w"]
    assert topo.linkInfo("c", "r")["profile"] == LINK
    # All that the servers can send comes through any one director.
    assert topo.linkInfo("r", "d2")["profile"] == LinkProfile(10**8)
    assert topo.linkInfo("d2", "b")["profile"] == LinkProfile(2 * 10**9)


@pytest.mark.parametrize("servers", [1, 64])
def test_no_address_is_used_twice(servers: int) -> None:
    found = SeveralDirectorsPlan(servers, directors=8)
    numbers = range(1, servers + 1)
    addresses = [found.client_address, found.client_direct_address, found.client_gateway, found.vip]
    addresses += [found.unique(number) for number in numbers]
    for each in found.several:
        addresses += [each.address, each.gateway, each.inside, *each.servers.values()]
    assert len(set(addresses)) == len(addresses)


def test_each_director_knows_the_servers_by_addresses_of_its_own() -> None:
    both = layout("topology.servers=3")
    assert (both.directors, both.director, both.front) == (("d1", "d2"), "d1", "r")
    one, other = (both.of(name) for name in both.directors)
    assert [server.address for server in one.servers] == ["10.0.101.101", "10.0.101.102", "10.0.101.103"]
    assert [server.address for server in other.servers] == ["10.0.102.101", "10.0.102.102", "10.0.102.103"]
    assert (other.director, other.servers[0].gateway, other.prefix) == ("d2", "10.0.102.1", 32)
    assert [server.unique for server in other.servers] == [server.unique for server in both.servers]


def test_one_director_is_as_ever() -> None:
    alone = layout("topology.directors=1")
    assert (alone.directors, alone.front, alone.several) == (("d",), "", ())
    assert alone.of("d") is alone


def test_the_limits_are_those_of_one_director_and_the_picture_has_all() -> None:
    def point(directors: int) -> plan.Point:
        overrides = [f"topology.directors={directors}", "topology.servers=2"]
        return plan.plan(plan.load(plan.find("fig07")), overrides=overrides)[-1]

    assert point(3).wire_limit_bps == point(1).wire_limit_bps
    assert point(3).traits.paths == point(1).traits.paths
    assert point(3).traits.bottlenecks == point(1).traits.bottlenecks
    assert "director 1 ... 3     VIP 10.0.0.80 on each" in point(3).traits.picture


def test_a_lossy_way_by_the_directors_is_lossy_on_all_of_its_links() -> None:
    lossy = layout("topology.client_director.loss=1 %").lossy_links
    pairs = ["c-r", "r-d1", "r-d2", "d1-b", "d2-b", "b-s1"]
    assert lossy == {frozenset(pair.split("-")) for pair in pairs}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (['topology.client_link={ rate = "1 Gbit/s" }'], "a client with one link has one director, not 2"),
        (["topology.directors=9"], "topology.directors must be at most 8, not 9"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        layout(*overrides)


def test_the_routers_hash_takes_32_bits_of_a_seed() -> None:
    experiment = plan.load(plan.find("fig07"))
    with pytest.raises(UsageError, match=r"the router's hash over the directors takes 4294967294 at most"):
        plan.plan(experiment, seeds=[2**32], overrides=["topology.directors=2"])
    assert plan.plan(experiment, seeds=[2**32])


@pytest.mark.parametrize(("director", "past"), [("ipvs-nat", [False]), ("ipvs-dr", [True, False])])
def test_a_directors_own_resets_come_by_the_director_where_answers_go_past_it(director: str, past: list[bool]) -> None:
    overrides = ["topology.directors=2", f"director={director}"]
    traits = plan.plan(plan.load(plan.find("fig07")), overrides=overrides)[-1].traits
    ways = [each for each in traits.paths if (each.direction, each.address) == ("to-client", "service")]
    assert [each.past_director for each in ways] == past
