"""A host's own network card as a token bucket: it sends at the wire's rate, and TCP notices when it does.

netem with a rate takes a packet off its socket's account when it queues it (`skb_orphan_partial` in
net/sched/sch_netem.c). On a sender's own interface that defeats TCP small queues: the bulk flows
fill the queue without end, and a new connection's SYN+ACK waits behind them for a tenth of a second
or more. A token bucket keeps the account until it sends, as a driver does.
"""

from __future__ import annotations

import json

from testbed.base.errors import ReadbackError
from testbed.net.netns import Node
from testbed.process import CommandLog, run
from testbed.wire import compensated_rate_bps

BURST_BYTES = 100_000  # one buffer of 64 KB with a header for each of its segments, and a little
QUEUE_S = 0.1  # TCP small queues keep it far shorter


def shape(
    node: Node, interface: str, rate_bps: int, log: CommandLog | None = None, *, queue_s: float = QUEUE_S
) -> dict[str, float]:
    """Make a token bucket the root queue of `interface`, at most `queue_s` long (or 1 MB); returns what reads back.

    `rate_bps` is the rate on the wire; the bucket gets the compensated one, for bursts (see netem).
    """
    rate = compensated_rate_bps(rate_bps) // 8
    limit = max(10**6, int(rate * queue_s))
    argv = ["tc", "qdisc", "replace", "dev", interface, "root", "handle", "1:", "tbf"]
    argv += ["rate", f"{rate * 8}bit", "burst", str(BURST_BYTES), "limit", str(limit)]
    run(node.enter(*argv), log=log)
    listing = run(node.enter("tc", "-j", "qdisc", "show", "dev", interface), log=log).stdout
    (queue,) = [queue for queue in json.loads(listing) if queue["kind"] == "tbf"]
    if queue["options"]["rate"] != rate:
        raise ReadbackError(f"tbf rate on {node.name} {interface}", rate, queue["options"]["rate"])
    return {"rate_Bps": rate, "burst_bytes": BURST_BYTES, "limit_bytes": limit}
