"""Segmentation offloads of an interface, off where loss or wire overhead must hit single packets."""

from __future__ import annotations

from testbed.base.errors import ReadbackError
from testbed.net.netns import Node
from testbed.process import CommandLog, run

_FEATURES = {
    "tso": "tcp-segmentation-offload",
    "gso": "generic-segmentation-offload",
    "gro": "generic-receive-offload",
}


def switch_off(node: Node, interface: str, log: CommandLog | None = None) -> dict[str, str]:
    """Turn TSO, GSO and GRO off on the interface; returns what reads back."""
    words = [word for feature in _FEATURES for word in (feature, "off")]
    run(node.enter("ethtool", "-K", interface, *words), log=log)
    return require_off(node, interface, log)


def require_off(node: Node, interface: str, log: CommandLog | None = None) -> dict[str, str]:
    """What reads back of them; raises `ReadbackError` for one that is on."""
    lines = run(node.enter("ethtool", "-k", interface), log=log).stdout.splitlines()
    found = dict(line.strip().split(": ", 1) for line in lines if ": " in line)
    state = {feature: found[name].split()[0] for feature, name in _FEATURES.items()}
    for feature, value in state.items():
        if value != "off":
            raise ReadbackError(f"{feature} of {node.name} {interface}", "off", value)
    return state
