"""Parts: what a point says about itself is all that the analysis knows of them."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import testbed
from experiments import plan
from experiments.composition import REGISTRIES, parts_of
from experiments.plan import Point
from testbed.base.parts import summary
from testbed.base.traits import Traits
from testbed.directors.ipvs_nat import IpvsNat
from testbed.record.legacy import traits_of

POINTS = [point for name in plan.available() for point in plan.plan(plan.load(plan.find(name)))]
VERSION_1 = sorted((Path(__file__).with_name("data") / "version-1").glob("*.json"))


def could_be_said_before(point: Point) -> bool:
    """Whether it is of the parts that there were, its client has an interface in each network, and its links are the
    same in both directions.
    """
    together = [point.names[kind] for kind in ("topology", "director", "workload")]
    if together not in (["load-balancer", "ipvs-nat", "page-loads"], ["anycast", "ecmp", "long-downloads"]):
        return False
    if point.parameters.get("family") != "ipv4":
        return False
    return not any(name.startswith("client_link") or "_towards_" in name for name in point.parameters)


AS_BEFORE = [point for point in POINTS if could_be_said_before(point)]

LATER = {"paths", "requests", "must_join"}


def without_limits(traits: Traits) -> Traits:
    """As points had them that were planned when paths were not among their traits: no limit, and no way by name."""
    paths = [each.model_copy(update={"wire_limit_bps": None}) for each in traits.paths]
    return traits.model_copy(update={"paths": tuple(each for each in paths if each.interfaces)})


@pytest.mark.parametrize("path", VERSION_1, ids=lambda path: path.stem)
def test_a_point_of_the_format_before_is_read_as_one_of_today(path: Path) -> None:
    """Its numbers, its traits (given, or worked out from its scenario) and its parts."""
    raw = json.loads(path.read_text())
    point = Point.from_json(path.read_text())
    assert point.traits.model_dump(mode="json", exclude=LATER) == raw["traits"]
    assert point.traits.requests == point.number("requests")
    assert point.traits.must_join == (
        point.protocol == "mptcp" and not ((point.variant and not point.scheme) or point.drop)
    )
    given = raw["parameters"]
    for name in ("servers", "concurrency", "requests", "duration_s", "cycle_s", "add_addr", "subflows", "lb_mode"):
        assert point.parameters.get(name) == given.get(name)
    assert point.number("director_server_rate_bps") == given.get("server_rate_bps") or "client_rate_bps" in given
    assert point.number("add_addr_resend_interval_s") == given["add_addr_resend_ms"] / 1000
    assert point.drop_packet == given["drop_packet"].replace("none", "")
    without = {name: value for name, value in raw.items() if name != "traits"}
    assert Point.from_json(json.dumps(without)).traits == point.traits.model_copy(update={"picture": ""})
    parts = parts_of(point)
    mptcp, past_director = point.protocol == "mptcp", point.protocol == "mptcp" and given["add_addr"]
    found = parts.traits(mptcp=mptcp, past_director=past_director, must_join=point.traits.must_join)
    found = found.model_copy(update={"picture": found.picture.replace(" each way", "")})
    assert without_limits(found) == point.traits


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.id)
def test_the_parts_of_a_record_are_those_that_it_was_made_of(point: Point) -> None:
    assert parts_of(point).records() == point.parts
    assert Point.from_json(point.to_json()) == point


@pytest.mark.parametrize("point", AS_BEFORE, ids=lambda point: point.id)
def test_traits_are_those_that_points_without_any_were_given(point: Point) -> None:
    scenario = point.parts["topology"].name
    given: Mapping[str, Any] = point.parameters
    if scenario == "load-balancer":
        given = {**given, "server_rate_bps": given["director_server_rate_bps"]}
        given = {name: value for name, value in given.items() if name != "director_server_loss"}
    known = traits_of(scenario, point.protocol, given).model_dump(exclude=LATER)
    assert known == point.traits.model_copy(update={"picture": ""}).model_dump(exclude=LATER)


def test_traits_that_points_did_not_have_at_first_are_worked_out_for_them() -> None:
    for point in AS_BEFORE:
        raw = json.loads(point.to_json())
        for name in LATER:
            del raw["traits"][name]
        assert Point.from_json(json.dumps(raw)).traits == without_limits(point.traits)


class PastItself(IpvsNat):
    """A director whose servers answer past it (direct server return)."""

    def carries_answers(self) -> bool:
        return False


@pytest.mark.parametrize("director", [IpvsNat, PastItself])
def test_topology_and_director_say_together_where_packets_go(director: type[IpvsNat]) -> None:
    point = next(each for each in POINTS if each.experiment == "fig07" and each.protocol == "tcp")
    traits = replace(parts_of(point), director=director()).traits(mptcp=False, past_director=False)
    found = {(each.direction, each.address): each for each in traits.paths}
    assert found["to-server", "service"].interfaces == ("-eth0",)
    assert not found["to-server", "service"].past_director
    answers = found["to-client", "service"]
    assert answers.past_director is (director is PastItself)
    assert answers.interfaces == (("-eth1",) if director is PastItself else ("-eth0",))
    assert {each.interfaces for key, each in found.items() if key[1] == "unique"} == {("-eth1",)}
    assert [round(each.wire_limit_bps / 1e6, 1) for each in traits.paths if each.wire_limit_bps] == [
        94.1, 941.5 if director is PastItself else 94.1, 941.5, 941.5,
    ]  # fmt: skip


def test_answers_to_a_clients_first_address_come_through_the_director() -> None:
    """A server's default route leads there, whichever address of its it answers from."""
    parts = parts_of(next(each for each in POINTS if each.experiment == "fig07" and each.protocol == "mptcp"))
    usual, mesh = (parts.traits(mptcp=True, past_director=True, fullmesh=each) for each in (False, True))
    (more,) = set(mesh.paths) - set(usual.paths)
    assert (more.direction, more.address, more.interfaces) == ("to-client", "unique", ("-eth0",))
    assert not more.past_director
    raw = json.loads(next(each for each in POINTS if each.experiment == "fig07" and each.protocol == "mptcp").to_json())
    del raw["traits"]["paths"]
    raw["mptcp"]["client_endpoint"] = "fullmesh"
    assert Point.from_json(json.dumps(raw)).traits.paths == without_limits(mesh).paths


def test_nothing_of_the_analysis_asks_for_a_parts_name() -> None:
    names = {name for registry in REGISTRIES.values() for name in registry.ours()} - {"none"}
    root = Path(testbed.__file__).parents[1] / "analysis"
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and each.value in names
    }
    assert found == set()


def test_every_part_says_what_it_is_and_describes_the_keys_of_its_table() -> None:
    for registry in REGISTRIES.values():
        for found in registry.all_ours():
            assert summary(found.part), found.name
            assert all(field.description for field in found.part.model_fields.values()), found.name


def test_a_links_direction_is_lossy_for_the_whole_way_that_leads_there() -> None:
    def lossy(*changes: str) -> set[str]:
        changes = ("topology.servers=2", "protocols=tcp", "workload.sizes=10 KB", *changes)
        (point,) = plan.plan(plan.load(plan.find("7")), overrides=changes)
        layout = parts_of(point).topology.layout()
        return {"-".join(sorted(pair)) for pair in layout.lossy_links}

    through, past = {"c-d", "d-s1", "d-s2"}, {"c-w", "s1-w", "s2-w"}
    client, server, direct = (f"topology.{link}.loss=1 %" for link in ("client_director", "director_server", "direct"))
    assert lossy() == set()
    assert lossy(client) == through
    assert lossy(server) == through
    assert lossy(direct) == past
    assert lossy(direct, server) == through | past
