"""The probe that makes the decoder's captures still provokes every MPTCP option in a guest."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from analysis.pcap import Option, read_pcap

PROBE = str(Path(__file__).with_name("capture_probe.py"))
CAPTURES = {
    "aborted", "announced", "announced6-checksum", "corrupted", "corrupted-of-two", "narrowed", "narrowed-checksum",
    "plain", "tagged",
}  # fmt: skip
EVERY_OPTION = (Option.MP_TCPRST << 1) - Option.MP_CAPABLE | (Option.OTHER << 1) - Option.MSS


def test_the_probe_provokes_every_option(guest) -> None:
    outcome = guest(sys.executable, PROBE, wall_limit_s=300)
    assert outcome.result.status == 0, outcome.stderr.decode()
    captures = {path.stem: read_pcap(path) for path in outcome.output.glob("*.pcap")}
    assert set(captures) == CAPTURES
    assert [capture.warnings for capture in captures.values() if capture.warnings] == []
    options = np.concatenate([capture.options for capture in captures.values()])
    assert np.bitwise_or.reduce(options) == EVERY_OPTION
    tables = {
        name: set(np.concatenate([getattr(capture, name).length for capture in captures.values()]).tolist())
        for name in ("mp_capable", "mp_join", "add_addr")
    }
    assert tables == {
        "mp_capable": {4, 12, 20, 22, 24}, "mp_join": {12, 16, 24}, "add_addr": {8, 10, 16, 18, 20, 22, 28, 30},
    }  # fmt: skip
