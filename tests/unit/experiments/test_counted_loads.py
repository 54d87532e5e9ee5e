"""What a load whose instructions are counted asks for: what a measurement of the same point asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from experiments import counting_agent, plan
from experiments.composition import parts_of
from experiments.stage import Stage
from testbed.record.instructions import Load
from testbed.record.point import Point


def ready(point: Point) -> Stage:
    """The point's stage as far as URLs go: nothing is built."""
    parts = parts_of(point)
    layout = parts.topology.layout()
    servers: Any = tuple(SimpleNamespace(unique=place.unique) for place in layout.servers)
    nothing: Any = None
    return Stage(parts, layout, nothing, nothing, servers, layout.client_addresses, {})


@pytest.mark.parametrize(
    ("condition", "service", "own"),
    [
        ("IPv4", "10.0.1.80", "10.0.3.101"),
        ("IPv6", "[fd00:1::80]", "[fd00:3::101]"),
        ("VIP IPv4, unique IPv6", "[::ffff:10.0.1.80]", "[fd00:3::101]"),
        ("VIP IPv6, unique IPv4", "[fd00:1::80]", "[::ffff:10.0.3.101]"),
        ("VIP IPv4, unique IPv6, plain sockets", "10.0.1.80", "[fd00:3::101]"),
    ],
)
def test_a_counted_load_asks_by_sockets_of_the_clients_family(condition: str, service: str, own: str) -> None:
    points = plan.plan(plan.load(plan.find("families")))
    point = next(each for each in points if each.condition == condition and each.object_bytes == 100_000)
    stage = ready(point)
    through, past = (Load(point=point.id, requests=10, past_director=each) for each in (False, True))
    assert counting_agent.page_of(through, point, stage) == f"http://{service}:80/100000.bin"
    assert counting_agent.page_of(through, point, stage).startswith(stage.service_url)
    assert counting_agent.page_of(past, point, stage) == f"http://{own}:80/100000.bin"
