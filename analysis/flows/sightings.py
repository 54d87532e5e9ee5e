"""Which of a client's packets passed a director, by where they were captured: at both, or at the client alone.

Enters: the packets captured at the client, and those captured at the directors' links that lead away from the servers.
Leaves: a path per packet, instead of the one that the point's plan has for its address. With servers that answer past
their director the address says nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.flows.clocks import copies_of
from analysis.flows.paths import PAST_DIRECTOR, UNKNOWN_PATH, VIA_DIRECTOR
from analysis.pcap import Packets
from analysis.pcap.columns import U8, Bools


def seen_at_directors(packets: Packets, at_directors: Packets, *, timestamps: bool = True) -> Bools:
    """Which of the client's packets a director had, too; without `timestamps`, whatever these say in either place."""
    if not timestamps:
        packets, at_directors = (
            replace(each, ts_value=np.zeros_like(each.ts_value)) for each in (packets, at_directors)
        )
    found: Bools = np.isin(copies_of(packets), copies_of(at_directors))
    return found


def paths_as_seen(planned: U8, seen: Bools, to_client: Bools) -> U8:
    """The path of each packet: that of the plan, but where a capture says better.

    What was at a director has passed it, or was sent by it: a director that knows nothing of a connection may answer by
    itself, where the plan has no path from it. What reached the client without having been there went past it. What the
    client sent and no director has may have been lost on the way to it: there the plan stands, as for packets that have
    no path in it at all.
    """
    path = planned.copy()
    path[seen] = VIA_DIRECTOR
    path[(planned != UNKNOWN_PATH) & ~seen & to_client] = PAST_DIRECTOR
    return path
