"""Runs inside a guest: a server leaves a resilient group and returns, while all buckets are busy; prints who has them.

Arguments: the director. A line of JSON: the buckets of each server, by its number, once a second from its return on.
"""

from __future__ import annotations

import json
import sys
import time

from open_connections import SETTLED_S, answers, connected, staged

from testbed.net import resilient_nexthops

SECONDS, BEATS = 7, 4


def main() -> None:
    samples = []
    with staged(sys.argv[1]) as ready, connected(ready) as at:
        director, router = ready.parts.director, ready.network[ready.layout.director]
        _, *rest = ready.layout.servers
        everyone = [pair for pairs in at.values() for pair in pairs]
        kept = [pair for pair in everyone if answers(pair)]
        samples.append(resilient_nexthops.buckets(router))
        director.set_pool(ready.network, ready.layout, rest)
        samples.append(resilient_nexthops.buckets(router))
        # A bucket that no packet came by since it changed hands counts as idle.
        time.sleep(SETTLED_S)
        kept = [pair for pair in kept if answers(pair)]
        director.set_pool(ready.network, ready.layout, ready.layout.servers)
        for _ in range(SECONDS):
            samples.append(resilient_nexthops.buckets(router))
            for _ in range(BEATS):
                kept = [pair for pair in kept if answers(pair)]
                time.sleep(1 / BEATS)
    json.dump({"buckets": samples, "kept": len(kept)}, sys.stdout)


main()
