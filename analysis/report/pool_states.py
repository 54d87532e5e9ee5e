"""Who is in the pool, drained, out or without power after each change, as a time line shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from testbed.record.pool import Pool

_US = 1_000_000
_GONE = {"director-lost": "lost", "link-down": "down", "link-silent": "silent"}
_BACK = ("director-back", "link-up")
_WORDS = {"in": "", "drained": "drained", "out": "out of the pool"}


def states(events: Sequence[Mapping[str, Any]], servers: Sequence[str]) -> list[dict[str, Any]]:
    """From `us` microseconds on: each server's state in a word or two, empty for one that is in the pool; and what else
    is gone, in words. What one director's health check did to its own pool changes nobody's state.
    """
    pool = Pool(servers)
    lost: dict[str, str] = {}
    found = [{"us": 0, "servers": [""] * len(servers), "lost": []}]
    for event in events:
        if event["by"]:
            continue
        whom, what = event["director"] or event.get("link"), event["event"]
        if whom and what in _GONE:
            lost[whom] = f"{whom} {_GONE[what]}"
        elif whom and what in _BACK:
            lost.pop(whom, None)
        elif event["server"] in servers:
            pool.change(event["event"], event["server"])
        else:
            continue
        words = ["no power" if name in pool.crashed else _WORDS[pool.state[name]] for name in servers]
        found.append({"us": round(event["t_s"] * _US), "servers": words, "lost": list(lost.values())})
    return found
