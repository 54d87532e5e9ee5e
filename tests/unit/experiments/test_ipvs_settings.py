"""The tables of IPVS directors: what a scheduler is told, what it needs, and what is none of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments import needs, plan
from experiments.composition import parts_of
from testbed.base.errors import TestbedError
from testbed.directors.lvs import Lvs
from testbed.net import ipvs

BY_HASH = {"sh": ipvs.PORT | ipvs.FALLBACK, "mh": ipvs.PORT | ipvs.FALLBACK}


def director(**settings: Any) -> tuple[Lvs, Any]:
    overrides = [f"director.{name}={value}" for name, value in settings.items()]
    point = plan.plan(plan.load(plan.find("fig07")), overrides=["topology.servers=3", *overrides])[0]
    found = parts_of(point)
    assert isinstance(found.director, Lvs)
    return found.director, found.topology.layout()


@pytest.mark.parametrize("scheduler", ["rr", "wrr", "lc", "wlc", "sh", "mh"])
def test_a_hash_is_over_the_port_as_well_and_finds_another_server_unless_told_otherwise(scheduler: str) -> None:
    found, layout = director(scheduler=scheduler)
    assert (found.service(layout).scheduler, found.service(layout).flags) == (scheduler, BY_HASH.get(scheduler, 0))


def test_a_hash_can_be_over_the_address_alone_and_have_no_fallback() -> None:
    found, layout = director(scheduler="mh", hash_port="false")
    assert found.service(layout).flags == ipvs.FALLBACK
    found, layout = director(scheduler="sh", hash_fallback="false")
    assert found.service(layout).flags == ipvs.PORT


def test_a_server_keeps_its_weight_whatever_else_is_in_the_pool() -> None:
    found, layout = director(scheduler="wrr", weights="[1, 2, 3]")
    assert found.weighted(layout, layout.servers) == {"10.0.11.2": 1, "10.0.12.2": 2, "10.0.13.2": 3}
    assert found.weighted(layout, layout.servers[2:]) == {"10.0.13.2": 3}
    found, layout = director()
    assert set(found.weighted(layout, layout.servers).values()) == {1}


def test_a_point_needs_its_own_scheduler_and_no_other() -> None:
    def schedulers(name: str) -> set[str]:
        point = plan.plan(plan.load(plan.find("fig07")), overrides=[f"director.scheduler={name}"])[0]
        return {need.name for need in needs.of_point(point) if need.name.startswith("IPVS")}

    assert schedulers("rr") == {"IPVS"}
    assert schedulers("mh") == {"IPVS", "IPVS scheduler mh"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            'scheduler = "maglev"',
            "x.toml:4: director.scheduler: 'maglev' is not one of rr, wrr, lc, wlc, sh, mh",
        ),
        (
            "hash_port = true",
            "x.toml:4: director.hash_port: the scheduler 'rr' has no hash (it is for 'sh' and 'mh')",
        ),
        (
            'scheduler = "lc", weights = [1, 2]',
            "x.toml:4: director.weights: the scheduler 'lc' has none ('wrr' and 'wlc' are for them)",
        ),
        (
            'scheduler = "wrr", weights = [1, 2, 3]',
            "x.toml:4: director.weights: they are 3, the servers 2",
        ),
    ],
)
def test_what_is_no_setting_of_the_scheduler_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE_LOADS.replace('director = "ipvs-nat"', f'director = {{ part = "ipvs-nat", {table} }}')
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ("topology.directors=2",),
            "director.health_check: of several directors each drops what it has no entry of, servers' answers to its "
            'own checks too (one director, or part = "ipvs-dr")',
        ),
        (
            ('timetable={part="events", events=[{ at = "3 s", restart_director = 1 }]}',),
            "timetable.events: at 3 s the director 'ipvs-nat' starts again, and drops what servers answer to its "
            "checks then (leave health_check out)",
        ),
    ],
)
def test_a_health_check_whose_answers_would_be_dropped_is_refused(changes: tuple[str, ...], message: str) -> None:
    check = 'director.health_check={ interval = "1 s" }'
    fig07 = plan.load(plan.find("fig07"))
    assert plan.plan(fig07, overrides=[check]) and plan.plan(fig07, overrides=changes)
    with pytest.raises(TestbedError) as caught:
        plan.plan(fig07, overrides=[check, *changes])
    assert message in str(caught.value)
    plan.plan(fig07, overrides=['director={part="ipvs-dr"}', check, *changes])
