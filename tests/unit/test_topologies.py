from __future__ import annotations

import ipaddress

import pytest

from experiments import plan
from experiments.composition import parts_of
from testbed.base.families import Families
from topologies.anycast import AnycastPlan, AnycastTopo
from topologies.directions import ByDirection
from topologies.links import LinkProfile
from topologies.load_balancer_plan import LoadBalancerPlan, LoadBalancerTopo

FAST, SLOW = LinkProfile(10**9), LinkProfile(10**8, delay_s=0.02, loss=0.01)


def link_names(topo) -> list[tuple[str, str]]:
    return sorted(tuple(sorted(link)) for link in topo.links())


def test_one_server_has_a_direct_link_to_the_client() -> None:
    topo = LoadBalancerTopo(plan=LoadBalancerPlan(1), client_director=SLOW, direct=FAST, server=FAST)
    assert link_names(topo) == [("c", "d"), ("c", "s1"), ("d", "s1")]
    assert topo.linkInfo("c", "d")["profile"] == SLOW


def test_several_servers_share_a_switch_with_the_client() -> None:
    topo = LoadBalancerTopo(plan=LoadBalancerPlan(2), client_director=SLOW, direct=FAST, server=FAST)
    assert link_names(topo) == [("c", "d"), ("c", "w"), ("d", "s1"), ("d", "s2"), ("s1", "w"), ("s2", "w")]


def test_a_client_with_one_interface_has_a_switch_before_everything() -> None:
    plan = LoadBalancerPlan(1, one_interface=True)
    topo = LoadBalancerTopo(plan=plan, client_director=SLOW, direct=FAST, server=FAST, client_link=FAST)
    assert link_names(topo) == [("c", "w"), ("d", "s1"), ("d", "w"), ("s1", "w")]
    assert topo.linkInfo("d", "w")["profile"] == SLOW
    assert topo.port("w", "c")[0] == 1


DIRECT = 'topology.direct={rate="1 Gbit/s", delay={towards_client="10 ms", towards_server="0 ms"}, loss="1 %"}'
DROP = 'drop={packet="add-addr"}'


def direct_path(*overrides: str) -> dict[str, tuple[float, float, float]]:
    """Of each link of fig06's direct path, from its client's end: the delays in s towards client, server, the loss."""
    topo = parts_of(plan.plan(plan.load(plan.find("fig06")), overrides=overrides)[-1]).topology.layout().topo
    found = {}
    for one, other in topo.links(sort=True):
        if {one, other} <= {"c", "w", "s1", "s2"}:
            near, far = ("w", one) if other == "w" and one != "c" else (one, other)
            link = topo.linkInfo(one, other)
            profile = link["profile"] if link["node1"] == near else link["profile"].reversed
            ways = profile.directions
            found[f"{near}-{far}"] = (ways[0].delay_s, ways[1].delay_s, ways[0].loss)
    return found


@pytest.mark.parametrize("directors", ["topology.directors=1", "topology.directors=2"])
def test_a_switch_put_into_the_direct_path_adds_no_delay_and_no_loss(directors: str) -> None:
    none, whole = (0.0, 0.0, 0.0), (0.01, 0.0, 0.01)
    assert direct_path(directors, DIRECT) == {"c-s1": whole}
    assert direct_path(directors, DIRECT, DROP) == {"c-w": none, "w-s1": whole}
    assert direct_path(directors, DIRECT, DROP, "topology.switched=false") == {"c-w": none, "w-s1": whole}
    assert direct_path(directors, DIRECT, DROP, "topology.switched=true") == {"c-w": whole, "w-s1": whole}
    three = {"c-w": whole, "w-s1": whole, "w-s2": whole}
    assert direct_path(directors, DIRECT, "topology.servers=2") == three
    assert direct_path(directors, DIRECT, "topology.servers=2", DROP) == three


def test_a_direct_path_without_delay_and_loss_has_the_switch_that_it_had() -> None:
    (*_, point) = plan.plan(plan.load(plan.find("fig06")), overrides=[DROP])
    assert point.parts["topology"].settings["switched"] is True


def test_with_one_interface_the_address_alone_tells_the_path() -> None:
    override = 'topology.client_link={rate="500 Mbit/s"}'
    point = plan.plan(plan.load(plan.find("fig06")), overrides=[override])[-1]
    assert [(path.interfaces, path.past_director) for path in point.traits.paths if path.address == "unique"] == [
        ((), True),
        ((), True),
    ]
    assert [(each.interfaces, each.rate_bps) for each in point.traits.bottlenecks] == [(("-eth0",), 500e6)]
    assert "client ------------- switch" in point.traits.picture
    beside, below = point.traits.picture.splitlines()[2:5], point.traits.picture.splitlines()[5]
    assert [(line[23], line[56]) for line in beside] == [("|", "|")] * 3 and below[23] == "+"


@pytest.mark.parametrize(
    ("director", "drawn"),
    [("ecmp", "ECMP, layer 4"), ("resilient", "resilient ECMP"), ("ipvs-tun", "ipvs-tun"), ("nft", "nft")],
)
def test_the_router_of_the_anycast_picture_is_the_director_that_there_is(director: str, drawn: str) -> None:
    overrides = [f"director={director}", 'timetable.part="none"']
    point = plan.plan(plan.load(plan.find("fig14")), overrides=overrides)[0]
    third = point.traits.picture.splitlines()[2]
    assert third.split("  ")[1] == "10.0.1.2" and third[24:48].rstrip() == drawn
    assert "joins" not in point.traits.picture


def test_joins_to_the_service_address_are_in_the_picture() -> None:
    point = plan.plan(plan.load(plan.find("fig14")), overrides=["director=signalled-port", 'timetable.part="none"'])[0]
    assert point.traits.picture.endswith("joins come to the service address, as initial subflows do\n")


def test_one_anycast_server_is_no_range_of_them() -> None:
    overrides = ["topology.servers=1", 'timetable.part="none"']
    lines = plan.plan(plan.load(plan.find("fig14")), overrides=overrides)[0].traits.picture.splitlines()
    assert lines[1].endswith("- server 1") and lines[3].endswith("unique  10.0.11.2")


@pytest.mark.parametrize("families", [Families(), Families("ipv6", "ipv6"), Families("ipv4", "ipv6")])
@pytest.mark.parametrize("servers", [1, 3, 64])
def test_no_address_is_used_twice(servers: int, families: Families) -> None:
    lb, anycast = LoadBalancerPlan(servers, families=families), AnycastPlan(servers, families=families)
    numbers = range(1, servers + 1)
    for addresses in (
        [*lb.client_addresses, lb.director_address, lb.vip]
        + [f(n) for f in (lb.local, lb.gateway, lb.unique) for n in numbers],
        [*anycast.client_addresses, *anycast.router_addresses, anycast.anycast]
        + [each for n in numbers for each in {anycast.unique(n), anycast.address(n), *anycast.gateways(n)}],
    ):
        assert len(set(addresses)) == len(addresses)
        assert addresses == [str(ipaddress.ip_address(each)) for each in addresses]


def test_a_network_and_a_host_have_the_same_digits_in_both_families() -> None:
    four, six = LoadBalancerPlan(3), LoadBalancerPlan(3, families=Families("ipv6", "ipv6"))
    assert (four.vip, four.local(2), four.unique(3)) == ("10.0.1.80", "10.0.12.2", "10.0.3.103")
    assert (six.vip, six.local(2), six.unique(3)) == ("fd00:1::80", "fd00:12::2", "fd00:3::103")
    assert (AnycastPlan(1).anycast, AnycastPlan(1, families=six.families).anycast) == ("10.0.0.80", "fd00::80")
    assert (four.unique_network, six.unique_network) == ("10.0.3.0/24", "fd00:3::/64")


def test_a_network_of_both_of_the_clients_holds_all_of_its_addresses() -> None:
    for families in (Families(), Families("ipv6", "ipv6")):
        plan = LoadBalancerPlan(1, one_interface=True, families=families)
        network = ipaddress.ip_network(plan.unique_network)
        assert all(ipaddress.ip_address(each) in network for each in (*plan.client_addresses, plan.unique(64)))
        assert ipaddress.ip_address(plan.local(1)) not in network


def test_of_two_families_every_interface_has_an_address_of_each() -> None:
    plan = LoadBalancerPlan(2, families=Families("ipv4", "ipv6"))
    topo = LoadBalancerTopo(plan=plan, client_director=SLOW, direct=FAST, server=FAST)
    assert topo.nodeInfo("c") == {"ip": "10.0.1.2/24", "further_ips": ("fd00:1::2/64",)}
    assert topo.linkInfo("d", "s2")["params1"] == {"ip": "10.0.12.1/24", "further_ips": ("fd00:12::1/64",)}
    assert plan.client_addresses == ("10.0.1.2", "10.0.3.2", "fd00:1::2", "fd00:3::2")


def test_anycast_servers_hang_on_the_router_in_order() -> None:
    topo = AnycastTopo(plan=AnycastPlan(3), client_link=LinkProfile(10**10), server_link=FAST)
    assert link_names(topo) == [("c", "r"), ("r", "s1"), ("r", "s2"), ("r", "s3")]
    assert [topo.port("r", f"s{n}")[0] for n in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("name", plan.available())
def test_every_experiment_has_a_picture_with_its_parameters(name: str) -> None:
    point = plan.plan(plan.load(plan.find(name)))[0]
    text = point.traits.picture
    assert "{" not in text
    if name == "fig08":
        assert "100 Mbit/s, 10 ms each way\n" in text
    if name in ("fig13", "fig14"):
        assert "10.0.0.80" in text


@pytest.mark.parametrize(
    ("plan", "ways"),
    [
        (LoadBalancerPlan(1), "c-d d-s1 c-s1"),
        (LoadBalancerPlan(2), "c-d d-s1 d-s2 c-w w-s1 w-s2"),
        (LoadBalancerPlan(2, one_interface=True), "c-w w-d d-s1 d-s2 w-s1 w-s2"),
    ],
)
def test_every_link_leads_from_the_clients_end_to_the_servers(plan: LoadBalancerPlan, ways: str) -> None:
    link = LinkProfile(10**9, delay_s=ByDirection(0.07, 0.01), loss=ByDirection(0.0, 0.02))
    own = link if plan.one_interface else None
    topo = LoadBalancerTopo(plan=plan, client_director=link, direct=link, server=link, client_link=own)
    found = {}
    for _, _, info in topo.links(withInfo=True):
        for sender, receiver, way in (
            (info["node1"], info["node2"], info["profile"].towards_server),
            (info["node2"], info["node1"], info["profile"].towards_client),
        ):
            found[f"{sender}-{receiver}"] = way
    assert len(found) == 2 * len(ways.split())
    for name in ways.split():
        near, far = name.split("-")
        assert (found[name], found[f"{far}-{near}"]) == (link.towards_server, link.towards_client), name
    assert (link.towards_client.delay_s, link.towards_client.loss) == (0.07, 0.0)
    assert (link.towards_server.delay_s, link.towards_server.loss) == (0.01, 0.02)
    assert (link.reversed.reversed, SLOW.reversed) == (link, SLOW)
