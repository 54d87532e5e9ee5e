"""A host's own network card as a token bucket: it sends at the wire's rate, and TCP notices when it does.

netem with a rate takes a packet off its socket's account when it queues it (`skb_orphan_partial` in
net/sched/sch_netem.c). On a sender's own interface that defeats TCP small queues: the bulk flows
fill the queue without end, and a new connection's SYN+ACK waits behind them for a tenth of a second
or more. A token bucket keeps the account until it sends, as a driver does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.net.queues import Queue
from testbed.wire import compensated_rate_bps

BURST_BYTES = 100_000  # one buffer of 64 KB with a header for each of its segments, and a little
QUEUE_S = 0.1  # TCP small queues keep it far shorter


def queue(interface: str, rate_bps: int, *, queue_s: float = QUEUE_S) -> Queue:
    """A token bucket as the root queue of `interface`, at most `queue_s` long (or 1 MB); see `testbed.net.queues`.

    `rate_bps` is the rate on the wire; the bucket gets the compensated one, for bursts (see netem).
    """
    rate = compensated_rate_bps(rate_bps) // 8
    limit = max(10**6, int(rate * queue_s))
    words = ("rate", f"{rate * 8}bit", "burst", str(BURST_BYTES), "limit", str(limit))
    wanted = {"rate_Bps": rate, "burst_bytes": BURST_BYTES, "limit_bytes": limit}
    return Queue(interface, "tbf", words, wanted, _read)


def _read(options: Mapping[str, Any]) -> dict[str, float]:
    """The rate: its other numbers tc shows rounded, or as others that follow from them."""
    return {"rate_Bps": options["rate"]}
