"""In virtual time a link is exact: its delay to the printed digit, its rate to the grain of the guest's clock."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import pytest

PROBE = str(Path(__file__).with_name("network_probe.py"))
# The guest's clock reads in steps of 256 ns (TIMER_MULTIPLIER in arch/um/kernel/time.c). A packet leaves up to one step
# late, because the queue's timer is set by that clock, and is stamped with it; so the time between two packets is up to
# two steps off, however many lie between them. How much depends on when the guest's boot was over.
GRAIN_NS = 256


def test_a_20_ms_link_has_a_40_ms_ping(guest) -> None:
    ended = guest(sys.executable, PROBE, "ping", "0.020")
    assert ended.result.status == 0, ended.stderr.decode()
    # The first one waits for ARP; 98-byte frames take 0.976 us each way.
    assert json.loads(ended.stdout)[1:] == [40.0, 40.0, 40.0]


@pytest.mark.parametrize("packets", [2, 101, 801])
def test_n_full_frames_take_n_times_12304_ns_on_a_1_gbit_link(guest, packets) -> None:
    ended = guest(sys.executable, PROBE, "spread", str(packets))
    assert ended.result.status == 0, ended.stderr.decode()
    assert abs(json.loads(ended.stdout) - (packets - 1) * 12304) <= 2 * GRAIN_NS


def test_two_full_frames_are_12304_ns_apart_whatever_the_phase_of_the_clock(guest) -> None:
    ended = guest(sys.executable, PROBE, "pairs", "300")
    assert ended.result.status == 0, ended.stderr.decode()
    apart_ns = json.loads(ended.stdout)
    assert len(apart_ns) == 300
    assert max(abs(each - 12304) for each in apart_ns) <= 2 * GRAIN_NS
    assert statistics.median(apart_ns) == 12304 // GRAIN_NS * GRAIN_NS
