"""Directors without a table of connections: what a change of the pool does to those that are open."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

PROBE = str(Path(__file__).with_name("disruption_probe.py"))


def found(guest: Any, director: str, *overrides: str) -> dict[str, Any]:
    ended = guest(sys.executable, PROBE, director, *overrides)
    assert ended.result.status == 0, ended.stderr.decode()
    assert ended.result.kernel_warnings == ()
    said: dict[str, Any] = json.loads(ended.stdout)
    assert said["broken before"] == 0
    assert sum(said["connections"].values()) == 300 and min(said["connections"].values()) > 60
    return said


@pytest.mark.parametrize(("buckets", "least", "most"), [(0, 0.15, 0.35), (1024, 0.0, 0.0)])
def test_how_many_connections_of_other_servers_move_is_the_hashs_to_say(guest, buckets, least, most) -> None:
    """A hash scaled to two servers, and before to three: RFC 2992's half of all, a third of which the first had."""
    said = found(guest, f'{{part = "nft", buckets = {buckets}}}')
    others = [name for name in said["connections"] if name != said["gone"]]
    moved = sum(said["broken"][name] for name in others) / sum(said["connections"][name] for name in others)
    assert least <= moved <= most
    assert said["broken"][said["gone"]] == said["connections"][said["gone"]]
