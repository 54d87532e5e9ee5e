"""The Mininet topologies of the paper and their address plans: pure description, no commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def picture(scenario: str, parameters: Mapping[str, Any]) -> str:
    """The topology of a scenario ("load-balancer", "anycast") as text, parameters filled in."""
    from topologies import anycast, load_balancer

    return {"load-balancer": load_balancer.picture, "anycast": anycast.picture}[scenario](parameters)
