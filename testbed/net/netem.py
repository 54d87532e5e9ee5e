"""A link's direction as a netem queue: rate, delay, loss and a stated buffer, read back.

Two ways to count Ethernet's 24 bytes per frame that a veth pair lacks:

* `packets`: every packet is a frame of its own (segmentation offload is off on the hops before);
  netem adds 24 bytes to each. Exact, and loss hits packets.
* `bursts`: offloads stay on, one buffer holds up to 64 KB of frames; the rate is lowered by
  1514/1538 instead. Exact for full frames, and several times faster.
"""

from __future__ import annotations

import json
from typing import Literal, Protocol

from testbed.base.errors import ReadbackError
from testbed.net.netns import Node
from testbed.process import CommandLog, run
from testbed.wire import ETHERNET_OVERHEAD_BYTES, WIRE_BYTES, compensated_rate_bps

Framing = Literal["packets", "bursts"]


class Direction(Protocol):
    """One direction of a link: rate on the wire in bit/s, delay in seconds, loss from 0 to 1."""

    @property
    def rate_bps(self) -> int: ...  # noqa: D102
    @property
    def delay_s(self) -> float: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102


UNKNOWN = "qdisc kind is unknown"
"""What `tc` says, among other things, on a kernel without netem."""

BUFFER_S = 0.05  # what the queue holds beside the packets in flight on a long link


def queue_packets(rate_bps: int, delay_s: float) -> int:
    """Length limit of the queue in packets: rate x (delay + buffer) in full frames, at least 1000."""
    return max(1000, int(rate_bps * (delay_s + BUFFER_S) / 8 / WIRE_BYTES))


def shape(
    node: Node, interface: str, link: Direction, framing: Framing, *, log: CommandLog | None = None
) -> dict[str, float]:
    """Replace the root queue of `interface` by netem; returns what reads back.

    Calls `tc`: pyroute2 (0.9) mistakes netem's rate for an attribute of the queue and cannot send it.
    """
    packets = framing == "packets"
    wanted = {
        "rate_Bps": (link.rate_bps if packets else compensated_rate_bps(link.rate_bps)) // 8,
        "overhead": ETHERNET_OVERHEAD_BYTES if packets else 0,
        "limit": queue_packets(link.rate_bps, link.delay_s),
        "delay_s": link.delay_s,
        "loss": link.loss,
    }
    argv = ["tc", "qdisc", "replace", "dev", interface, "root", "handle", "1:", "netem", "limit", str(wanted["limit"])]
    if link.delay_s:
        argv += ["delay", f"{round(link.delay_s * 10**6)}us"]
    if link.loss:
        argv += ["loss", f"{link.loss * 100:g}%"]
    argv += ["rate", f"{wanted['rate_Bps'] * 8}bit", str(wanted["overhead"])]
    run(node.enter(*argv), log=log)
    found = _read_back(run(node.enter("tc", "-j", "qdisc", "show", "dev", interface), log=log).stdout)
    for key, value in found.items():
        if abs(value - wanted[key]) > 1e-6:
            raise ReadbackError(f"netem {key} on {node.name} {interface}", wanted[key], value)
    return found


def _read_back(listing: str) -> dict[str, float]:
    (queue,) = [queue for queue in json.loads(listing) if queue["kind"] == "netem"]
    options = queue["options"]
    return {
        "rate_Bps": options["rate"]["rate"],
        "overhead": options["rate"]["packetoverhead"],
        "limit": options["limit"],
        "delay_s": options.get("delay", {}).get("delay", 0.0),
        "loss": options.get("loss-random", {}).get("loss", 0.0),
    }
