"""In virtual time a link is exact: its delay to the printed digit, its rate to the clock's grain of 256 ns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

PROBE = str(Path(__file__).with_name("network_probe.py"))


def test_a_20_ms_link_has_a_40_ms_ping(guest) -> None:
    ended = guest(sys.executable, PROBE, "ping", "0.020")
    assert ended.result.status == 0, ended.stderr.decode()
    # The first one waits for ARP; 98-byte frames take 0.976 us each way.
    assert json.loads(ended.stdout)[1:] == [40.0, 40.0, 40.0]


@pytest.mark.parametrize("packets", [2, 101, 801])
def test_n_full_frames_take_n_times_12304_ns_on_a_1_gbit_link(guest, packets) -> None:
    ended = guest(sys.executable, PROBE, "spread", str(packets))
    assert ended.result.status == 0, ended.stderr.decode()
    # The guest's clock reads in steps of 256 ns (TIMER_MULTIPLIER in arch/um/kernel/time.c).
    assert abs(json.loads(ended.stdout) - (packets - 1) * 12304) <= 256
