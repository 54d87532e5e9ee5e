"""The patch that starts a join's SYN timer from the connection's round trip, on each release (`join_syn_rto_min`).

Times are those of the SYNs at the client. The kernel's clock ticks every 10 ms, and its timer wheel rounds a long timer
up by an eighth at most: timers are over up to a tick early, and that much late.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probe_cases import measured

from analysis.pcap import ACK, SYN, read_pcap
from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("join_timer_probe.py"))
TICK_S = 0.01
LOST_ONCE_S = 0.05  # from the connection on: the join comes after 10 ms, and again after 60

NEAR: dict[str, Any] = {"delays_s": [0.005, 0.005], "family": 4, "timer_ms": 50, "blocks": 64}
SYN_LOST = {"lost": "SYN", "lost_s": LOST_ONCE_S}
ANSWER_LOST = {"lost": "SYN+ACK", "lost_s": LOST_ONCE_S}
OFF = {"timer_ms": 0, "blocks": 256}  # the transfer must last for more than TCP's second

CASES: dict[str, dict[str, Any]] = {
    "no-loss": NEAR,
    "syn-ipv4": {**NEAR, **SYN_LOST},
    "syn-ipv6": {**NEAR, **SYN_LOST, "family": 6},
    "answer-ipv4": {**NEAR, **ANSWER_LOST},
    "answer-ipv6": {**NEAR, **ANSWER_LOST, "family": 6},
    "syn-ipv4-off": {**NEAR, **SYN_LOST, **OFF},
    "syn-ipv6-off": {**NEAR, **SYN_LOST, **OFF, "family": 6},
    "answer-ipv4-off": {**NEAR, **ANSWER_LOST, **OFF},
    "answer-ipv6-off": {**NEAR, **ANSWER_LOST, **OFF, "family": 6},
    # The first round trip is 50 ms: the timer is two of them, 100 ms.
    "round-trips": {**NEAR, **SYN_LOST, "delays_s": [0.025, 0.005], "lost_s": 0.1},
    "twice": {**NEAR, **SYN_LOST, "lost_s": 1.0, "blocks": 400},
    "never-above-tcp": {**NEAR, **SYN_LOST, **OFF, "timer_ms": 1000},
    "ten-times": {**NEAR, "delays_s": [0.005, 0.05]},
    "ten-times-ipv6": {**NEAR, "delays_s": [0.005, 0.05], "family": 6},
    "ten-times-far": {**NEAR, "delays_s": [0.025, 0.25], "blocks": 256},
    "ten-times-farther": {**NEAR, "delays_s": [0.075, 0.75], "blocks": 400},
}


@dataclass
class Found:
    """What the probe measured, the client's counters, and when each SYN of the join left."""

    values: dict[str, Any]
    counters: dict[str, int]
    syns_s: list[float]

    @property
    def gaps_s(self) -> list[float]:
        return np.diff(self.syns_s).tolist()


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture(scope="module")
def found(lab, tmp_path_factory) -> dict[str, Found]:
    """Every case, run one after the other in one guest."""
    output = tmp_path_factory.mktemp("join timer")
    results = measured(lab, PROBE, CASES, output)
    return {name: _found(values, output / name) for name, values in results.items()}


def _found(values: dict[str, Any], output: Path) -> Found:
    if "error" in values:
        return Found(values, {}, [])
    packets = read_pcap(output / "a-eth1.pcap")
    syns = np.flatnonzero(packets.flags & (SYN | ACK) == SYN)
    return Found(values, values.pop("counters"), (packets.time_ns[syns] / 1e9).tolist())


def is_over_after(gap_s: float, timer_s: float) -> bool:
    return timer_s - TICK_S <= gap_s <= timer_s * 1.125 + TICK_S


@pytest.mark.parametrize("name", CASES)
def test_the_transfer_is_intact(found, name: str) -> None:
    assert "error" not in found[name].values, found[name].values["error"]
    assert found[name].values["intact"]


def test_the_sysctl_exists_is_off_and_has_bounds(guest) -> None:
    tries = "cat join_syn_rto_min; for n in 1001 -1 x; do echo $n > join_syn_rto_min && echo took $n; done"
    assert guest("sh", "-c", f"cd /proc/sys/net/mptcp; {tries}; true").stdout == b"0\n"


UNPATCHED = """
import os, subprocess
from testbed.base.errors import PrerequisiteError
from testbed.net import mptcp
from testbed.net.mptcp_settings import Mptcp
from testbed.net.netns import Node

subprocess.run(["mount", "-t", "tmpfs", "none", "/proc/sys/net/mptcp"], check=True)
try:
    mptcp.configure_client(Node("c", os.getpid()), Mptcp(join_syn_rto_min="50 ms"))
except PrerequisiteError as error:
    print(error)
"""


def test_a_kernel_without_the_sysctl_is_refused_in_one_line(guest) -> None:
    (line,) = guest.python(UNPATCHED).stdout.decode().splitlines()
    assert re.fullmatch(
        r"this kernel \([\w.+-]+\) is unpatched: it has no sysctl net\.mptcp\.join_syn_rto_min, asked for on c "
        r"\('testbed kernel build' makes a kernel with the patches of kernel-patches/\)",
        line,
    )


@pytest.mark.parametrize("name", ["syn-ipv4-off", "syn-ipv6-off", "answer-ipv4-off", "answer-ipv6-off"])
def test_without_it_the_loss_of_one_packet_costs_a_second(found, name: str) -> None:
    (gap_s,) = found[name].gaps_s
    assert is_over_after(gap_s, 1.0)
    assert found[name].values["join_s"] > 1.0
    assert "MPTcpExtMPJoinSynTxEarly" not in found[name].counters


@pytest.mark.parametrize("name", ["syn-ipv4", "syn-ipv6", "answer-ipv4", "answer-ipv6"])
def test_a_lost_syn_or_its_answer_costs_the_timer_alone(found, name: str) -> None:
    """The server needs no timer of its own for a lost SYN+ACK: it answers the SYN that comes again."""
    (gap_s,) = found[name].gaps_s
    assert is_over_after(gap_s, 0.05)
    assert found[name].values["join_s"] < 0.1
    assert found[name].counters["MPTcpExtMPJoinSynTxEarly"] == 1


def test_a_syn_that_is_answered_is_sent_once(found) -> None:
    one = found["no-loss"]
    assert len(one.syns_s) == 1
    assert not {"MPTcpExtMPJoinSynTxEarly", "TcpExtTCPSynRetrans"} & one.counters.keys()


def test_the_timer_is_two_round_trips_of_the_connection(found) -> None:
    (gap_s,) = found["round-trips"].gaps_s
    assert is_over_after(gap_s, 0.1)


def test_one_syn_is_early_and_then_tcps_own_second_passes(found) -> None:
    early_s, then_s = found["twice"].gaps_s
    assert is_over_after(early_s, 0.05)
    assert is_over_after(then_s, 1.0)
    assert found["twice"].counters["MPTcpExtMPJoinSynTxEarly"] == 1


def test_the_timer_is_never_above_tcps_own(found) -> None:
    (gap_s,) = found["never-above-tcp"].gaps_s
    assert is_over_after(gap_s, 1.0)


@pytest.mark.parametrize(("name", "timer_s"), [("ten-times", 0.05), ("ten-times-ipv6", 0.05), ("ten-times-far", 0.1)])
def test_a_path_ten_times_as_slow_gets_one_syn_too_many(found, name: str, timer_s: float) -> None:
    """And then TCP does as after any SYN that was repeated in vain: the timestamps tell it the true round trip."""
    one = found[name]
    (gap_s,) = one.gaps_s
    assert is_over_after(gap_s, timer_s)
    assert one.counters["MPTcpExtMPJoinSynTxEarly"] == 1
    second_ms = 2000 * CASES[name]["delays_s"][1]
    assert second_ms <= one.values["round_trip_ms"] < 1.2 * second_ms


def test_where_that_is_more_than_a_second_too(found) -> None:
    """150 ms and 1.5 s: the timer is 800 ms, and TCP's second after that is over too late to be in vain."""
    (gap_s,) = found["ten-times-farther"].gaps_s
    assert is_over_after(gap_s, 0.8)
