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


SLOPPY = 'sysctl.director."net.ipv4.vs.sloppy_tcp"=1'


def found(guest: Any, *words: str) -> dict[str, Any]:
    ended = guest(sys.executable, PROBE, *words)
    assert ended.result.status == 0, ended.stderr.decode()
    assert ended.result.kernel_warnings == ()
    said: dict[str, Any] = json.loads(ended.stdout)
    for change in (said["removed"], said["added"]):
        assert change["broken before"] == 0 and sum(change["connections"].values()) == 300
    return said


def moved(change: dict[str, Any], gone: str) -> float:
    """The share of the connections of the other servers that broke."""
    others = [name for name in change["connections"] if name != gone]
    return sum(change["broken"][name] for name in others) / sum(change["connections"][name] for name in others)


@pytest.mark.parametrize(
    ("words", "removed", "added"),
    [
        (['{part = "nft"}'], 0.25, 0.5),
        (['{part = "nft", buckets = 1024}'], 0, 0.33),
        (['{part = "nft", form = "dsr", buckets = 1024}'], 0, 0.33),
        (['{part = "ecmp"}'], 0.25, 0.5),
        (['{part = "resilient", buckets = 48}'], 0, 0),
        (['{part = "ipvs-nat", scheduler = "mh"}', SLOPPY, "forgets"], 0, 0.33),
        (['{part = "ipvs-nat", scheduler = "sh"}', SLOPPY, "forgets"], 0.5, 0.67),
        (['{part = "ipvs-nat", scheduler = "mh"}'], 0, 0),
    ],
)
def test_how_many_connections_of_other_servers_move_is_the_hashs_to_say(guest, words, removed, added) -> None:
    """A hash scaled from three servers to two moves half of all (RFC 2992), a third of which the first had."""
    said = found(guest, *words)
    assert moved(said["removed"], said["gone"]) == pytest.approx(removed, abs=0.1 if removed else 0.01)
    assert moved(said["added"], said["gone"]) == pytest.approx(added, abs=0.1 if added else 0)
    gone = said["removed"]
    assert gone["broken"][said["gone"]] == gone["connections"][said["gone"]]


def test_a_second_chance_keeps_every_connection_even_those_of_the_server_that_leaves(guest) -> None:
    said = found(guest, '{part = "second-chance", buckets = 64}')
    assert {broken for change in (said["removed"], said["added"]) for broken in change["broken"].values()} == {0}


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
