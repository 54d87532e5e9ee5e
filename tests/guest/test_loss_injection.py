"""The loss injector: the chosen packet of every connection is lost, once, and the connection copes with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from guest_points import run_soundly

from analysis.summary.model import PointSummary
from analysis.summary.of_point import analyse_point
from experiments import plan
from testbed.net.loss_injection import PACKETS

# Each page takes long enough through the director to outlive a wait of a second; a round trip is 20 ms and queues.
EXPERIMENT = """
version = 2
name = "losses"
title = "Losses"
director = "ipvs-nat"
plot = "ablation"
protocols = ["mptcp"]

[topology]
part = "load-balancer"
client_director = { rate = "20 Mbit/s", delay = "10 ms" }
direct = { rate = "1 Gbit/s" }
director_server = { rate = "1 Gbit/s" }

[workload]
part = "page-loads"
sizes = ["2000 KB"]
concurrency = 6
total = "12 MB"

[mptcp]
add_addr_timeout = "1 s"
client_endpoint = "subflow"

[drop]
packet = "join-syn"
"""
CONNECTIONS = 6
WAIT_S = {
    # packet: bounds of every connection's wait for its join
    "add-addr": (1.0, 1.5),
    "add-addr-echo": (0.0, 0.5),
    "mp-prio": (0.0, 0.5),
    "join-syn": (1.0, 1.5),
    "join-syn-ack": (1.0, 1.5),
}


def run(lab, directory: Path, *overrides: str) -> tuple[PointSummary, dict[str, int]]:
    experiment = directory / "losses.toml"
    experiment.write_text(EXPERIMENT)
    (point,) = plan.plan(plan.load(experiment), overrides=overrides)
    out = directory / "point"
    run_soundly(lab, out, point)
    return analyse_point(out, {point.plot}), json.loads((out / "loss_injection.json").read_text())


@pytest.mark.parametrize("packet", PACKETS)
def test_every_connection_loses_the_packet_once_and_loads_its_page(lab, tmp_path, packet) -> None:
    summary, counts = run(lab, tmp_path, f"drop.packet={packet}")
    assert summary.valid, summary.invalid_reasons
    assert (summary.complete_requests, summary.failed_requests) == (CONNECTIONS, 0)
    # ab opens one or two connections more than it needs, which may end before they get so far.
    assert CONNECTIONS <= counts["dropped"] <= summary.connections
    assert summary.injected_drops == counts["dropped"] == counts["connections"]
    shortest_s, longest_s = WAIT_S[packet]
    assert len(summary.waits.join_wait_s) >= CONNECTIONS - 1  # the last one may be done before the second is over
    assert all(shortest_s <= wait <= longest_s for wait in summary.waits.join_wait_s), summary.waits.join_wait_s


PROBE = str(Path(__file__).with_name("injector_probe.py"))
PACKET_MAKER = str(Path(__file__).parents[1] / "unit" / "analysis")


FRAMES = {
    # packet, case of the probe: connections, packets, dropped
    ("mp-prio", "behind other options"): [1, 1, 1],
    ("add-addr", "twice"): [1, 2, 1],
    ("add-addr-echo", "twice"): [1, 1, 1],
    ("add-addr", "ports used again"): [2, 2, 2],
    ("add-addr", "on a join"): [0, 0, 0],
    ("join-syn", "two joins of one connection"): [2, 4, 2],
    ("join-syn-ack", "answers to two joins of one connection"): [1, 2, 1],
    ("mp-prio", "malformed"): [0, 0, 0],
}


def test_packets_are_found_and_counted_among_hand_made_frames(guest) -> None:
    ended = guest(sys.executable, PROBE, PACKET_MAKER, json.dumps([*FRAMES]))
    assert ended.result.status == 0, ended.stderr.decode()
    assert dict(zip(FRAMES, json.loads(ended.stdout), strict=True)) == FRAMES


def test_a_packet_of_which_there_is_no_second_makes_the_point_invalid(lab, tmp_path) -> None:
    summary, counts = run(lab, tmp_path, "drop.packet=join-syn-ack", "drop.occurrence=2")
    assert summary.invalid_reasons == ("the loss injector dropped nothing: no join-syn-ack number 2 came by",)
    assert counts["packets"] == counts["connections"] == summary.joined


def test_without_the_flag_joins_reach_another_server_and_are_refused(lab, tmp_path) -> None:
    scheme = ("topology.servers=3", "mptcp.deny_join=false", "mptcp.add_addr=false", "mptcp.initial_backup=false")
    # A thousandth SYN never comes: the injector only counts.
    summary, counts = run(lab, tmp_path, "drop.occurrence=1000", *scheme)
    assert counts["packets"] == summary.joins.asked >= CONNECTIONS
    assert summary.joins.refused > 0
    assert summary.joins.accepted + summary.joins.refused == summary.joins.asked
    assert (summary.director_bypass_share, summary.failed_requests) == (0, 0)


REFUSED = """
import os
from pathlib import Path
from testbed.base.errors import TestbedError
from testbed.net import bpf
from testbed.process import CommandLog
source, binary = (Path(os.environ["TESTBED_OUT"], name) for name in ("bad.c", "bad.o"))
source.write_text('''
#include <linux/bpf.h>
__attribute__((section("tc"), used)) int bad(struct __sk_buff *skb) { return *(volatile int *)((char *)skb - 8); }
char licence[] __attribute__((section("license"), used)) = "GPL";
''')
bpf.compile_program(source, binary, {}, CommandLog())
try:
    with bpf.loaded(binary, "bad"):
        print("loaded")
except TestbedError as error:
    print(error)
"""


def test_a_program_that_the_kernel_refuses_is_one_line_with_the_verifiers_reason(guest) -> None:
    assert guest.python(REFUSED).stdout == b"BPF program bad.o: invalid bpf_context access off=-8 size=4\n"
