"""A link's direction as a netem queue: rate, delay, loss and a stated buffer, read back.

Two ways to count Ethernet's 24 bytes per frame that a veth pair lacks:

* `packets`: every packet is a frame of its own (segmentation offload is off on the hops before);
  netem adds 24 bytes to each. Exact, and loss hits packets.
* `bursts`: offloads stay on, one buffer holds up to 64 KB of frames; the rate is lowered by
  1514/1538 instead. Exact for full frames, and several times faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, Protocol

from testbed.net.queues import Queue
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


BUFFER_S = 0.05  # what the queue holds beside the packets in flight on a long link
_SHOWN_S = 2e-6


def queue_packets(rate_bps: int, delay_s: float) -> int:
    """Length limit of the queue in packets: rate x (delay + buffer) in full frames, at least 1000."""
    return max(1000, int(rate_bps * (delay_s + BUFFER_S) / 8 / WIRE_BYTES))


def queue(interface: str, link: Direction, framing: Framing) -> Queue:
    """netem as the root queue of `interface` (see `testbed.net.queues`)."""
    packets = framing == "packets"
    rate = (link.rate_bps if packets else compensated_rate_bps(link.rate_bps)) // 8
    overhead, limit = ETHERNET_OVERHEAD_BYTES if packets else 0, queue_packets(link.rate_bps, link.delay_s)
    words = ["limit", str(limit)]
    if link.delay_s:
        words += ["delay", f"{round(link.delay_s * 10**6, 3):.12g}us"]  # the kernel has it in nanoseconds
    if link.loss:
        words += ["loss", f"{link.loss * 100:g}%"]
    words += ["rate", f"{rate * 8}bit", str(overhead)]
    wanted = {"rate_Bps": rate, "overhead": overhead, "limit": limit, "delay_s": link.delay_s, "loss": link.loss}
    return Queue(interface, "netem", tuple(words), wanted, partial(_read, link.delay_s))


def delay_of(options: Mapping[str, Any], wanted_s: float) -> float:
    """The delay that `tc` shows, in seconds: the wanted one if it may be that.

    It shows whole microseconds of a delay that it has put into ticks of 64 ns, each rounded down.
    """
    found = float(options.get("delay", {}).get("delay", 0.0))
    return wanted_s if abs(found - wanted_s) < _SHOWN_S else found


def _read(delay_s: float, options: Mapping[str, Any]) -> dict[str, float]:
    return {
        "rate_Bps": options["rate"]["rate"],
        "overhead": options["rate"]["packetoverhead"],
        "limit": options["limit"],
        "delay_s": delay_of(options, delay_s),
        "loss": options.get("loss-random", {}).get("loss", 0.0),
    }
