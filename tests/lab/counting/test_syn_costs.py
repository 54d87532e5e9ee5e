"""What a server's kernel executes for one SYN: dropped by the filter or the check, or refused without them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from experiments import plan
from testbed.labs.base import Job
from testbed.labs.counting.machine import Machine
from testbed.process import CommandLog
from testbed.tools import syn_generator

PROBE = str(Path(__file__).with_name("syn_cost_probe.py"))
OVER_IPV6 = ("topology.family=ipv6", "workload.sizes=1 KB")
OWN = ("mptcp.path_manager=userspace", "protection=address-per-connection")
SYNS = 10_000
ARMS = {
    # what happens to each SYN: settings, kind, anywhere, the link is down
    "sent": ((), "join", False, True),
    "join refused": ((), "join", False, False),
    "dropped by the filter": (("protection=joins-only",), "plain", False, False),
    "dropped by the check": (OWN, "join", True, False),
}


def point_of(*overrides: str) -> str:
    points = plan.plan(plan.load(plan.find("fig07")), overrides=[*OVER_IPV6, *overrides], schemes=["upstream"])
    return next(point for point in points if point.protocol == "mptcp").to_json()


@pytest.fixture(scope="module")
def costs(counting: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Instructions of the kernel for one SYN more, by arm, without what sending it takes."""
    out = tmp_path_factory.mktemp("syn-costs")
    arms = [(name, point_of(*settings), *rest) for name, (settings, *rest) in ARMS.items()]
    syn_generator.build(out, CommandLog())  # in the machine a compiler would take minutes
    argv = (sys.executable, PROBE, json.dumps(arms))
    done = counting.run(Job(argv, out, wall_limit_s=1700.0, clock_limit_s=1e6))
    assert done.result.status == 0, (out / "guest/stderr").read_text()
    tallies = json.loads((out / "costs.json").read_text())
    assert tallies["join refused"][1][2] == tallies["join refused"][1][0]
    assert not any(
        sum(each[1:]) for name in ("dropped by the filter", "dropped by the check") for each in tallies[name]
    )
    found = {}
    for number, name in enumerate(ARMS):
        _, _, before_few, after_few, before_many, after_many = done.marks[6 * number : 6 * number + 6]
        few, many = after_few.kernel - before_few.kernel, after_many.kernel - before_many.kernel
        found[name] = (many - few) / SYNS
    sent = found.pop("sent")
    costs = {name: cost - sent for name, cost in found.items()}
    sys.stdout.write(f"instructions of the kernel for one SYN: {costs}, and {sent:.0f} to send it\n")
    return costs


def test_a_syn_that_is_dropped_takes_less_than_one_that_is_refused(costs: dict[str, float]) -> None:
    assert costs["dropped by the check"] < costs["join refused"], costs
    assert costs["dropped by the filter"] < 0.7 * costs["join refused"], costs
    assert min(costs.values()) > 0, costs
