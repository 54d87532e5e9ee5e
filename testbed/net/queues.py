"""What a node's queues did: packets that they dropped, whatever their kind."""

from __future__ import annotations

import json

from testbed.net.netns import Node
from testbed.process import CommandLog, run


def dropped(node: Node, log: CommandLog | None = None) -> dict[str, int]:
    """Packets that the root queue of each interface has dropped: for lack of room, or on purpose (netem's loss).

    What a node drops in its own queue on sending is in its counters (`TcpOutRsts`), but on no wire.
    """
    listing = json.loads(run(node.enter("tc", "-s", "-j", "qdisc", "show"), log=log).stdout)
    return {queue["dev"]: int(queue["drops"]) for queue in listing if queue.get("root") and "drops" in queue}
