"""What a director does to its pool, as the kernel has it afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PROBE = str(Path(__file__).with_name("pool_probe.py"))


def test_ipvs_has_the_servers_that_are_in_the_pool(guest) -> None:
    ended = guest(sys.executable, PROBE)
    both = ["10.0.11.2", "10.0.12.2"]
    assert ended.result.status == 0, ended.stderr.decode()
    assert json.loads(ended.stdout) == [both, ["10.0.12.2"], both, both]
