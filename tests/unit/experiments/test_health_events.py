"""What directors find out by their checks, as it is noted: real checks of this machine's ports, without a stage."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import changes
from experiments.changes import Changes
from experiments.record import Events
from experiments.timetables.base import Change
from testbed.health_check import HealthCheck
from testbed.net.netns import Node
from testbed.record.pool import Pool

SERVERS = {"s1": "127.0.0.1", "s2": "127.0.0.2"}


class Director:
    """Stands in for a balancer, and keeps what it was told last, by its node."""

    health_check = HealthCheck(interval="1 s", failures=1, successes=1)

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {}

    def checked_from(self, layout: Any, _place: Any) -> str:
        return str(layout.director)

    def set_pool(self, _network: Any, layout: Any, places: Any) -> None:
        self.told[layout.director] = [place.name for place in places]

    def forget(self, _network: Any, _layout: Any) -> None:
        pass

    restart = forget


class Network(dict[str, Node]):
    log = None

    def __missing__(self, name: str) -> Node:
        return Node(name, os.getpid())


class Pair:
    """Two directors that check two servers: those of `listening` accept on the port."""

    def __init__(self, port: int) -> None:
        self.port, self.file, self.director = port, io.StringIO(), Director()
        places = [SimpleNamespace(name=name, address=address) for name, address in SERVERS.items()]
        several = tuple(SimpleNamespace(address=f"10.0.0.{number}") for number in (1, 2))
        layout = SimpleNamespace(
            directors=("d1", "d2"), several=several, front="r", routed=(), servers=places, port=port, service="v"
        )
        layout.of = lambda name: SimpleNamespace(**{**vars(layout), "director": name})
        stage: Any = SimpleNamespace(
            layout=layout,
            parts=SimpleNamespace(director=self.director),
            network=Network(),
            servers=[SimpleNamespace(node=SimpleNamespace(name=name)) for name in SERVERS],
        )
        self.changes = Changes(stage, Events(self.file), SimpleNamespace())  # type: ignore[arg-type]

    def check(self, *listening: str, between: Change | None = None) -> None:
        with contextlib.ExitStack() as stack:
            for name in listening:
                stack.enter_context(socket.create_server((SERVERS[name], self.port)))
            self.changes._ask()
            time.sleep(0.05)
            if between:
                self.changes.act(between)()
            self.changes._judge()

    @property
    def events(self) -> list[tuple[str, str, str]]:
        found = [json.loads(line) for line in self.file.getvalue().splitlines()]
        return [(each["event"], each.get("server", each.get("director")), each.get("by", "")) for each in found]

    @property
    def outside(self) -> set[str]:
        """Whom who reads the events takes for out of the pool."""
        pool = Pool([*SERVERS], 2)
        for event, whom, by in self.events:
            pool.change(event, whom, by=by)
        return pool.outside


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr("testbed.net.netns._enter", lambda _namespace: None)
    monkeypatch.setattr(changes, "LinkFailures", lambda *_: None)
    for name in ("silence", "restore"):
        monkeypatch.setattr(f"testbed.net.silence.{name}", lambda *_: None)
    monkeypatch.setattr("testbed.net.routing.nexthops", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield Pair(port)


def test_a_director_that_starts_again_has_everybody_back_and_says_so(pair: Pair) -> None:
    pair.check("s2")
    assert pair.events == [("server-removed", "s1", "d1"), ("server-removed", "s1", "d2")]
    assert pair.outside == {"s1"}
    pair.changes.act(Change(0.0, "director-restarted", director=1))()
    assert ("server-added", "s1", "d1") in pair.events
    assert pair.director.told == {"d1": ["s1", "s2"], "d2": ["s2"]}
    assert pair.outside == set()


def test_a_director_without_power_finds_nobody_sick(pair: Pair) -> None:
    pair.check("s2", between=Change(0.0, "director-lost", director=1))
    assert [each for each in pair.events if each[2] == "d1"] == []
    assert "d1" not in pair.director.told
    pair.check("s1", "s2")
    pair.changes.act(Change(0.0, "director-back", director=1))()
    assert [each for each in pair.events if each[2] == "d1"] == []
    assert pair.director.told == {"d1": ["s1", "s2"], "d2": ["s1", "s2"]}
