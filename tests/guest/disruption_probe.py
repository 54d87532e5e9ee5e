"""Runs inside a guest: connections through a director whose pool changes; prints where they were and which broke.

Arguments: the director, then overrides of Fig. 7.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from open_connections import SETTLED_S, answers, connected, staged


def main() -> None:
    found: dict[str, Any] = {}
    with staged(*sys.argv[1:]) as ready, connected(ready) as at:
        found["connections"] = {name: len(pairs) for name, pairs in at.items()}
        found["broken before"] = sum(not answers(pair) for pairs in at.values() for pair in pairs)
        gone, *rest = ready.layout.servers
        ready.parts.director.set_pool(ready.network, ready.layout, rest)
        time.sleep(SETTLED_S)
        found["broken"] = {name: sum(not answers(pair) for pair in pairs) for name, pairs in at.items()}
        found["gone"] = gone.name
    json.dump(found, sys.stdout)


main()
