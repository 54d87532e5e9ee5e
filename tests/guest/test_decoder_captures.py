"""The probe that makes the decoder's captures still provokes every option, and tshark reads the new ones as we do."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PARITY = HERE.parent / "unit" / "analysis" / "test_tshark_parity.py"
CAPTURES = {
    "aborted", "announced", "announced6-checksum", "corrupted", "corrupted-of-two", "denied", "narrowed",
    "narrowed-checksum", "plain", "tagged",
}  # fmt: skip


def test_new_captures_have_every_option_and_are_what_tshark_says(guest) -> None:
    outcome = guest(sys.executable, str(HERE / "capture_probe.py"), wall_limit_s=300)
    assert outcome.result.status == 0, outcome.stderr.decode()
    captures = list(outcome.output.glob("*.pcap"))
    assert {path.stem for path in captures} == CAPTURES
    for path in captures:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    # The parity tests also say which options in which form there must be.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(PARITY)],
        env={**os.environ, "DECODER_CAPTURES": str(outcome.output)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
