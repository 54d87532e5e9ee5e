"""What a server's kernel executes for one SYN: answered, dropped by the filter or the check, or refused."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
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
BACKLOG = 1024


def sysctls(**values: int) -> tuple[str, ...]:
    """Settings of the server; a double underscore stands for the dot of the last folder."""
    return tuple(f"sysctl.server.net.{name.replace('__', '.')}={value}" for name, value in values.items())


ONCE = sysctls(ipv4__tcp_synack_retries=0)
"""A SYN+ACK is sent once, and given up a second later."""
ROOM = sysctls(core__somaxconn=1 << 16, ipv4__tcp_max_syn_backlog=1 << 16)
FULL = sysctls(core__somaxconn=BACKLOG, ipv4__tcp_max_syn_backlog=1 << 16)


@dataclass(frozen=True)
class Arm:
    """SYNs of a kind, and what comes back to each: a SYN+ACK, a RST or nothing.

    `kept` SYN+ACKs come to all of them together, where a queue has no more room. `anywhere`, `is_down`: see the probe.
    """

    kind: str
    settings: tuple[str, ...] = ()
    is_answered: bool = False
    is_refused: bool = False
    anywhere: bool = False
    is_down: bool = False
    kept: int = 0


ARMS = {
    "sent": Arm("join", is_down=True),
    "join refused": Arm("join", is_refused=True),
    "dropped by the filter": Arm("plain", ("protection=joins-only",)),
    "dropped by the check": Arm("join", OWN, anywhere=True),
    "plain answered": Arm("plain", (*ONCE, *ROOM), is_answered=True),
    "plain answered twice": Arm("plain", (*sysctls(ipv4__tcp_synack_retries=1), *ROOM), is_answered=True),
    "join answered": Arm("replay", (*ONCE, *ROOM), is_answered=True),
    "plain answered by a cookie": Arm("plain", (*ONCE, *FULL), is_answered=True),
    "join answered by a cookie": Arm("replay", (*ONCE, *FULL), is_answered=True),
    "plain dropped at a full queue": Arm("plain", (*ONCE, *FULL, *sysctls(ipv4__tcp_syncookies=0)), kept=BACKLOG + 1),
}


def point_of(*overrides: str) -> str:
    points = plan.plan(plan.load(plan.find("fig07")), overrides=[*OVER_IPV6, *overrides], schemes=["upstream"])
    return next(point for point in points if point.protocol == "mptcp").to_json()


@pytest.fixture(scope="module")
def costs(counting: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Instructions of the kernel for one SYN more, by arm, without what sending it takes."""
    out = tmp_path_factory.mktemp("syn-costs")
    arms = [(name, point_of(*arm.settings), arm.kind, arm.anywhere, arm.is_down) for name, arm in ARMS.items()]
    syn_generator.build(out, CommandLog())  # in the machine a compiler would take minutes
    argv = (sys.executable, PROBE, json.dumps(arms))
    done = counting.run(Job(argv, out, wall_limit_s=1700.0, clock_limit_s=1e6))
    assert done.result.status == 0, (out / "guest/stderr").read_text()
    tallies = json.loads((out / "costs.json").read_text())
    for name, arm in ARMS.items():
        for each in tallies[name]:
            answered = arm.kept or each["syns"] * arm.is_answered
            assert (each["answered"], each["refused"]) == (answered, each["syns"] * arm.is_refused), (name, each)
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


def test_a_join_that_is_answered_takes_a_mac_more_than_any_other_syn(costs: dict[str, float]) -> None:
    assert costs["plain answered"] > 1.5 * costs["dropped by the filter"], costs
    assert costs["plain answered twice"] > costs["plain answered"], costs
    assert costs["join answered"] > 1.5 * max(costs["plain answered"], costs["join refused"]), costs


def test_a_cookie_saves_a_server_no_instructions_and_a_full_queue_without_cookies_does(costs: dict[str, float]) -> None:
    assert costs["plain answered by a cookie"] > 0.8 * costs["plain answered"], costs
    assert costs["join answered by a cookie"] > 0.8 * costs["join answered"], costs
    assert costs["plain dropped at a full queue"] < 0.6 * costs["plain answered by a cookie"], costs
