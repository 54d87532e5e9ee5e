"""Directors without a table of connections: what a change of the pool does to those that are open."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

PROBE = str(Path(__file__).with_name("disruption_probe.py"))
PORTS = str(Path(__file__).with_name("signalled_port_probe.py"))
RESILIENT = str(Path(__file__).with_name("resilient_probe.py"))


def found(guest: Any, director: str, *overrides: str) -> dict[str, Any]:
    ended = guest(sys.executable, PROBE, director, *overrides)
    assert ended.result.status == 0, ended.stderr.decode()
    assert ended.result.kernel_warnings == ()
    said: dict[str, Any] = json.loads(ended.stdout)
    assert said["broken before"] == 0
    assert sum(said["connections"].values()) == 300 and min(said["connections"].values()) > 60
    return said


@pytest.mark.parametrize(
    ("director", "least", "most"),
    [
        ('{part = "nft"}', 0.15, 0.35),
        ('{part = "nft", buckets = 1024}', 0.0, 0.0),
        ('{part = "nft", form = "dsr", buckets = 64}', 0.0, 0.0),
        ('{part = "ecmp"}', 0.15, 0.35),
        ('{part = "resilient", buckets = 48}', 0.0, 0.0),
    ],
)
def test_how_many_connections_of_other_servers_move_is_the_hashs_to_say(guest, director, least, most) -> None:
    """A hash scaled to two servers, and before to three: RFC 2992's half of all, a third of which the first had."""
    said = found(guest, director)
    others = [name for name in said["connections"] if name != said["gone"]]
    moved = sum(said["broken"][name] for name in others) / sum(said["connections"][name] for name in others)
    assert least <= moved <= most
    assert said["broken"][said["gone"]] == said["connections"][said["gone"]]


def test_a_second_chance_keeps_every_connection_even_those_of_the_server_that_leaves(guest) -> None:
    said = found(guest, '{part = "second-chance", buckets = 64}')
    assert set(said["broken"].values()) == {0}


def test_a_server_that_returns_to_a_busy_resilient_group_gets_nothing_until_the_timer(guest) -> None:
    ended = guest(sys.executable, RESILIENT, '{part = "resilient", buckets = 48, unbalanced_timer = "3 s"}')
    assert ended.result.status == 0, ended.stderr.decode()
    said = json.loads(ended.stdout)
    before, without, *since = [[each.get(number, 0) for number in "123"] for each in said["buckets"]]
    assert before == [16, 16, 16] and without[0] == 0 and sum(without) == 48
    assert [first for first, *_ in since[:3]] == [0, 0, 0]
    assert since[-1] == [16, 16, 16]


def test_whoever_connects_to_a_port_that_is_for_joins_is_refused_and_counted(guest) -> None:
    """By the server whose port it is: TCP, and MPTCP that would open a connection."""
    ended = guest(sys.executable, PORTS)
    assert ended.result.status == 0, ended.stderr.decode()
    said = json.loads(ended.stdout)
    ports = [["s1", "10.0.1.80", 20001], ["s2", "10.0.1.80", 20002], ["s3", "10.0.1.80", 20003]]
    assert said["connections"] == [[*each, "ECONNREFUSED"] for each in ports for _ in range(2)]
    assert said["refused"] == {"s1": 2, "s2": 2, "s3": 2}
