"""Which server IPVS chooses, by each scheduler: 60 connections of one client that stay open, three servers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from probe_cases import measured

from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("scheduler_probe.py"))
CASES = {
    "rr": ["director.scheduler=rr"],
    "wrr": ["director.scheduler=wrr", "director.weights=[1, 2, 3]"],
    "lc": ["director.scheduler=lc"],
    "wlc": ["director.scheduler=wlc", "director.weights=[1, 2, 3]"],
    "sh": ["director.scheduler=sh"],
    "mh": ["director.scheduler=mh"],
    "sh, address": ["director.scheduler=sh", "director.hash_port=false"],
    "mh, address": ["director.scheduler=mh", "director.hash_port=false"],
}


Found = dict[str, dict[str, Any]]


def measure(lab: UmlLab, output: Path, names: list[str]) -> Found:
    return measured(lab, PROBE, {name: {"overrides": CASES[name]} for name in names}, output)


@pytest.fixture(scope="module")
def found(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return measure(lab, tmp_path_factory.mktemp("schedulers"), list(CASES))


def shares(found: Found, name: str) -> dict[str, int]:
    return dict(sorted(Counter(found[name]["chosen"]).items()))


def test_servers_come_in_turn_or_by_the_fewest_connections(found: Found) -> None:
    assert found["rr"]["chosen"][:6] in (["s1", "s2", "s3"] * 2, ["s2", "s3", "s1"] * 2, ["s3", "s2", "s1"] * 2)
    assert shares(found, "rr") == shares(found, "lc") == {"s1": 20, "s2": 20, "s3": 20}


def test_a_weight_is_a_share_of_the_connections(found: Found) -> None:
    assert shares(found, "wrr") == shares(found, "wlc") == {"s1": 10, "s2": 20, "s3": 30}
    weights = {each["address"]: each["weight"] for each in found["wrr"]["servers"]}
    assert weights == {"10.0.11.2": 1, "10.0.12.2": 2, "10.0.13.2": 3}


def test_a_hash_over_the_port_spreads_the_connections_of_one_client_and_one_over_the_address_does_not(
    found: Found,
) -> None:
    for name in ("sh", "mh"):
        assert min(shares(found, name).values()) >= 10, name
        assert len(shares(found, f"{name}, address")) == 1, name
        assert (found[name]["service"], found[f"{name}, address"]["service"]) == (
            {"scheduler": name, "flags": 0x18},
            {"scheduler": name, "flags": 0x08},
        )


def test_the_hash_of_a_port_is_the_same_each_time(lab: UmlLab, tmp_path: Path, found: Found) -> None:
    assert measure(lab, tmp_path, ["mh", "sh"]) == {name: found[name] for name in ("mh", "sh")}
