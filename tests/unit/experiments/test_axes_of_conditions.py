"""Conditions of several axes: each meets each of the others, and what is refused in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import plan
from experiments.plan import Point
from testbed.base.errors import ConfigError

BALANCERS = """\
version = 2
name = "mine"
title = "My balancers"
director = "ipvs-nat"
protocols = ["tcp"]
[topology]
part = "load-balancer"
servers = 2
client_director = { rate = "100 Mbit/s" }
direct = { rate = "1 Gbit/s" }
director_server = { rate = "1 Gbit/s" }
[workload]
part = "long-downloads"
size = "1 MB"
concurrency = 2
duration = "4 s"

[[condition]]
axis = "balancer"
name = "NAT"

[[condition]]
axis = "balancer"
name = "ECMP"
director = "ecmp"
without = ["nothing happens"]

[[condition]]
axis = "event"
name = "nothing happens"

[[condition]]
axis = "event"
name = "server removed"
timetable = { part = "events", events = [{ at = "1 s", remove = 2 }] }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def points(text: str = BALANCERS) -> list[Point]:
    Path("mine.toml").write_text(text)
    return plan.plan(plan.load(Path("mine.toml")))


def refused(old: str, new: str) -> str:
    assert old in BALANCERS
    with pytest.raises(ConfigError) as caught:
        points(BALANCERS.replace(old, new, 1))
    return str(caught.value)


def test_each_condition_of_an_axis_meets_each_of_the_other_but_those_that_it_is_without() -> None:
    assert [(point.names["director"], point.names["timetable"]) for point in points()] == [
        ("ipvs-nat", "none"),
        ("ipvs-nat", "events"),
        ("ecmp", "events"),
    ]


def test_a_point_has_the_names_of_its_conditions_together_and_by_their_axes() -> None:
    last = points()[-1]
    assert last.condition == "ECMP: server removed"
    assert last.conditions == {"balancer": "ECMP", "event": "server removed"}
    assert last.id == "mine-ecmp-server-removed-tcp-1000KB-seed1"
    assert Point.from_json(last.to_json()) == last


def test_a_point_of_conditions_without_axes_does_not_speak_of_any() -> None:
    text = BALANCERS.replace('axis = "balancer"\n', "").replace('axis = "event"\n', "").replace("without", "# without")
    first = points(text)[0]
    assert (first.condition, first.conditions) == ("NAT", {})
    assert '"conditions"' not in first.to_json()


def test_an_axis_is_said_of_all_conditions_or_of_none() -> None:
    said = "mine.toml:18: missing key 'axis' in [[condition]] (other conditions have one)"
    assert refused('axis = "balancer"\n', "") == said
    assert (
        refused('axis = "bal', 'axs = "bal')
        == "mine.toml:19: unknown key 'axs' in [[condition]] (did you mean 'axis'?)"
    )


def test_an_axis_is_a_text() -> None:
    said = "mine.toml:19: axis must be a text with letters or digits, of 48 characters at most"
    assert refused('axis = "balancer"', "axis = 5") == refused('axis = "balancer"', 'axis = "-"') == said


def test_a_condition_is_not_without_one_of_its_own_axis() -> None:
    assert refused('without = ["nothing happens"]', 'without = ["NAT"]') == (
        "mine.toml:26: without: no variant 'NAT' (there are: nothing happens, server removed)"
    )


def test_a_condition_that_meets_nothing_is_refused() -> None:
    said = refused('without = ["nothing happens"]', 'without = ["nothing happens", "server removed"]')
    assert said == "mine.toml:26: 'ECMP' leaves out every variant"


def test_names_that_are_the_same_one_behind_the_other_are_refused() -> None:
    text = BALANCERS.replace('"NAT"', '"NAT server"').replace('"ECMP"', '"NAT"').replace("nothing happens", "removed")
    Path("mine.toml").write_text(text.replace('without = ["removed"]\n', ""))
    with pytest.raises(ConfigError) as caught:
        plan.load(Path("mine.toml"))
    assert str(caught.value) == (
        "mine.toml:33: 'NAT server: removed' and 'NAT: server removed' have the same name in an id, "
        "'nat-server-removed'"
    )


def test_conditions_that_meet_do_not_set_the_same_key() -> None:
    said = refused("timetable = {", 'director = "nft"\ntimetable = {')
    assert (
        said
        == "mine.toml:35: 'ECMP' and 'server removed' both set director, and they meet (an axis has keys of its own)"
    )


def test_conditions_that_never_meet_may_set_the_same_key() -> None:
    text = BALANCERS.replace('name = "nothing happens"', 'name = "nothing happens"\ndirector = "nft"')
    assert [each.names["director"] for each in points(text)] == ["nft", "ipvs-nat", "ecmp"]


def test_a_mistyped_key_of_a_condition_is_told_what_it_was_to_be() -> None:
    """Of every condition: else the others are asked for theirs."""
    text = BALANCERS.replace('axis = "balancer"\n', "").replace('axis = "event"', 'axsi = "event"')
    text = text.replace('without = ["nothing happens"]\n', "")
    with pytest.raises(ConfigError) as caught:
        points(text)
    assert str(caught.value) == "mine.toml:26: unknown key 'axsi' in [condition[2]] (did you mean 'axis'?)"
