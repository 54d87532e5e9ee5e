"""Fig. 3 as an experiment: its links and addresses, what can happen to links, in which words the rest is refused."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest
from experiment_texts import DOWNLOADS, PAGE_LOADS, refusal

from experiments import needs, plan
from experiments.composition import parts_of
from experiments.timetables.base import Change
from testbed.record.point import Point

FIG03 = Path(plan.__file__).with_name("fig03.toml").read_text()
ROUTED = FIG03.partition("[[condition]]")[0]
EVENTS = '[timetable]\npart = "events"\nevents = [{events}]\n'


def with_events(*events: str, text: str = ROUTED) -> str:
    return text + EVENTS.format(events=", ".join(f"{{ {each} }}" for each in events))


def points_of(text: str) -> list[Point]:
    Path("x.toml").write_text(text)
    return plan.plan(plan.load(Path("x.toml")))


@pytest.fixture
def layout():
    return parts_of(plan.plan(plan.load(plan.find("fig03")))[0]).topology.layout()


def test_a_link_is_known_by_the_interfaces_that_mininet_gives_it(layout) -> None:
    for link in layout.routed:
        near, far = link.ends
        ports = layout.topo.port(near.node, far.node)
        assert (near.interface, far.interface) == (f"{near.node}-eth{ports[0]}", f"{far.node}-eth{ports[1]}")
        info = layout.topo.linkInfo(near.node, far.node)
        assert info["node1"] == near.node, "links lead away from the client"
        networks = [ipaddress.ip_interface(f"{end.address}/24").network for end in link.ends]
        assert networks[0] == networks[1]


def test_each_interface_has_the_address_that_routing_knows(layout) -> None:
    topo, told = layout.topo, {}
    for one, other, info in topo.links(withInfo=True):
        for number, node in ((1, info["node1"]), (2, info["node2"])):
            own = info.get(f"params{number}", {}).get("ip") or topo.nodeInfo(node)["ip"]
            told[f"{node}-eth{info[f'port{number}']}"] = own.partition("/")[0]
        assert {one, other} == {info["node1"], info["node2"]}
    assert {end.interface: end.address for link in layout.routed for end in link.ends}.items() <= told.items()
    assert len(set(told.values())) == len(told), "an address is used twice"


def test_both_servers_have_the_service_address_and_one_of_their_own(layout) -> None:
    assert [(each.name, each.unique) for each in layout.servers] == [("s1", "10.0.22.2"), ("s2", "10.0.44.2")]
    assert [link.name for link in layout.routed] == ["r1-r2", "r1-r4", "r2-r3", "r3-r4", "r2-s1", "r4-s2"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("events", "message"),
    [
        (['at = "1 s", link_down = "r1-r3"'], "at 1 s there is no link 'r1-r3'; there are r1-r2, r1-r4, r2-r3, r3-r4,"),
        (['at = "1 s", link_up = "r1-r2"'], "at 1 s link r1-r2 is up already"),
        (['at = "1 s", link_down = "r1-r2"', 'at = "2 s", link_silent = "r1-r2"'], "at 2 s link r1-r2 is down already"),
        (['at = "1 s", link_cost = "r1-r2", cost = 10'], "at 1 s link r1-r2 costs 10 already"),
        ([f'at = "{at} s", link_cost = "r1-r2", cost = 30' for at in (1, 2)], "at 2 s link r1-r2 costs 30 already"),
        (['at = "1 s", link_down = "R1-R2"'], "link_down: 'R1-R2' is not of the form ^[a-z0-9]+-[a-z0-9]+$"),
        (['at = "1 s", link_cost = "r1-r2"'], "`link_cost` says which link, and `cost` its new cost"),
        (['at = "1 s", link_up = "r1-r2", cost = 3'], "`link_cost` says which link, and `cost` its new cost"),
        (['at = "1 s", link_down = "r1-r2", direction = "towards_client"'], "`direction` is that of a silent link"),
        (['at = "1 s", link_cost = "r2-s1", cost = 3'], "at 1 s the link r2-s1 has no cost: no routing protocol goes"),
        (['at = "1 s", drain = 1'], "at 1 s the director 'ospf' would have to drain a server: it cannot"),
        (['at = "1 s", flip = 2'], "a flip by 2 leads every flow where it was"),
    ],
)  # fmt: skip
def test_what_cannot_happen_to_a_link_is_refused(events: list[str], message: str) -> None:
    assert message in refusal(with_events(*events))


@pytest.mark.usefixtures("folder")
def test_without_routers_there_is_no_link_to_fail() -> None:
    said = refusal(with_events('at = "1 s", link_down = "r1-r2"', text=PAGE_LOADS))
    assert "at 1 s there is no link 'r1-r2': the topology has no routers" in said


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOWNLOADS.replace('"ecmp"', '"ospf"'), "'anycast' has no routers that could run OSPF"),
        (re.sub(r"\[director\][^\[]*", '[director]\npart = "ecmp"\n', ROUTED), "nobody would find a way"),
        (ROUTED.replace('hello = "1 s"', 'hello = "500 ms"'), "0.5 s: OSPF has whole seconds"),
        (ROUTED.replace('dead = "4 s"', 'dead = "1 s"'), "dead = 1 s must be longer than hello = 1 s"),
        (ROUTED.replace("cost = 20", "cost = 10"), "near.cost = 10 must be below far.cost = 10"),
    ],
)  # fmt: skip
def test_routers_and_routing_go_together(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.usefixtures("folder")
def test_a_server_that_announces_itself_has_a_link_with_a_cost() -> None:
    text = ROUTED.replace('announced_by = "router"', 'announced_by = "server"')
    (point, *_) = points_of(with_events('at = "1 s", link_cost = "r2-s1", cost = 3', text=text))
    change = Change(1.0, "link-cost", link="r2-s1", cost=3)
    assert parts_of(point).timetable.changes(None, []) == [change]


def test_every_failure_is_tried_with_downloads_and_uploads() -> None:
    points = plan.plan(plan.load(plan.find("fig03")))
    assert len(points) == 2 * 2 * 6
    assert {point.traits.sender for point in points} == {"server", "client"}
    silent = {
        change.direction
        for point in points
        for change in parts_of(point).timetable.changes(None, [])
        if change.event == "link-silent"
    }
    assert silent == {"", "towards_client", "towards_server"}


def test_bird_is_needed_and_what_lets_a_link_fail() -> None:
    point = next(each for each in plan.plan(plan.load(plan.find("fig03"))) if each.conditions["failure"] == "silent")
    found = {need.name: need for need in needs.of_point(point)}
    assert found["program bird"].package == "bird2"
    assert {"program birdc", "dropping at tc's clsact"} <= set(found)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("period", "duration", "times"),
    [("4 s", "10 s", [4, 8]), ("5 s", "10 s", [5]), ("0.1 s", "1 s", [round(0.1 * n, 1) for n in range(1, 10)])],
)
def test_a_route_flips_at_every_period_before_the_end(period: str, duration: str, times: list[float]) -> None:
    text = ROUTED.replace('duration = "22 s"', f'duration = "{duration}"')
    (point, *_) = points_of(f'{text}[timetable]\npart = "route-flips"\nperiod = "{period}"\n')
    changes = parts_of(point).timetable.changes(point.traits.planned_s, [])
    assert [change.t_s for change in changes] == times
    assert {(change.event, change.places) for change in changes} == {("path-flipped", 1)}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAGE_LOADS + '[timetable]\npart = "route-flips"\nperiod = "1 s"\n', "this workload ends when it is done"),
        (ROUTED + '[timetable]\npart = "route-flips"\nperiod = "1 ms"\n', "22000 flips in 22 s, more than 10000"),
    ],
)
def test_flips_that_nobody_could_count_are_refused(text: str, message: str) -> None:
    assert message in refusal(text)
