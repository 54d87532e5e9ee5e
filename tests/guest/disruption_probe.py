"""Runs inside a guest: connections through a director whose pool changes; prints where they were and which broke.

Arguments: the director, then overrides of Fig. 7; `forgets` among them: at the moment of the change the director has
no table of connections either, as another one that takes over has none.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from open_connections import SETTLED_S, Pair, answers, connected, staged

from experiments.stage import Stage
from topologies.layout import ServerPlace

FORGETS = "forgets"


def count(at: dict[str, list[Pair]]) -> dict[str, int]:
    return {name: sum(not answers(pair) for pair in pairs) for name, pairs in at.items()}


def change(ready: Stage, before: Sequence[ServerPlace], after: Sequence[ServerPlace]) -> dict[str, Any]:
    """What there was with the one pool, and what of it broke with the other."""
    director, network, layout = ready.parts.director, ready.network, ready.layout
    director.set_pool(network, layout, before)
    with connected(ready) as at:
        found: dict[str, Any] = {"connections": {name: len(pairs) for name, pairs in at.items()}}
        found["broken before"] = sum(count(at).values())
        if FORGETS in sys.argv:
            director.forget(network, layout)
        director.set_pool(network, layout, after)
        time.sleep(SETTLED_S)
        return {**found, "broken": count(at)}


def main() -> None:
    director, *overrides = (word for word in sys.argv[1:] if word != FORGETS)
    with staged(director, *overrides) as ready:
        everyone = ready.layout.servers
        removed, added = change(ready, everyone, everyone[1:]), change(ready, everyone[1:], everyone)
    json.dump({"gone": everyone[0].name, "removed": removed, "added": added}, sys.stdout)


main()
