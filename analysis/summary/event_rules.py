"""What events of a point cannot be: why its figures over time, and those of its changes, must not be believed.

Enters: the events, and what else the point says of its servers and its time. Leaves: reasons, one line each; none for
events that make sense. A user's own part may note events of its own, and may be at work before the workload starts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from analysis.flows.series import Window
from analysis.pcap import ACK, SYN, Packets
from testbed.record.events import CHURN, ENDED, FILE, STARTED, Event
from testbed.record.point import Point

_OURS = {STARTED, ENDED, *CHURN}


def problems(
    point: Point,
    events: Sequence[Event],
    servers: Collection[str] | None,
    window: Window | None,
    packets: Packets | None,
) -> Iterator[str]:
    """What is wrong with the events of a point; None stands for what could not be read."""
    for name in (STARTED, ENDED):
        if (count := sum(each.event == name for each in events)) > 1:
            yield f"{FILE}: {name!r} comes {count} times"
    started = next((each for each in events if each.event == STARTED), None)
    if started is not None and started.t_s:
        yield f"{FILE}: {STARTED!r} comes at {started.t_s:g} s, and not at 0"
    for each in events:
        if each.event not in _OURS and not _has_own_part(point):
            yield f"{FILE}: at {each.t_s:g} s: no such event: {each.event[:40]!r}"
        elif each.event.startswith("server-") and servers is not None and each.server not in servers:
            whom = f"server {each.server[:40]!r}, which the point does not have" if each.server else "no server"
            yield f"{FILE}: at {each.t_s:g} s: {each.event!r} is about {whom}"
    if window is not None and window.ended and packets is not None:
        yield from _outside(point, window, packets)


def _outside(point: Point, window: Window, packets: Packets) -> Iterator[str]:
    """That the packets are of another time than the workload."""
    if not len(packets.time_ns):
        return
    within = (packets.time_ns >= window.start_ns) & (packets.time_ns <= window.end_ns)
    syns = (packets.flags & (SYN | ACK)) == SYN
    count, late = int(np.count_nonzero(syns)), int(np.count_nonzero(syns & ~within))
    if not within.any():
        yield f"{FILE}: no packet was captured in the {window.duration_s:g} s of the workload"
    # A workload of a user's own may load pages before it starts.
    elif 2 * late > count and not _has_own_part(point, "workload"):
        yield f"{FILE}: {late} of {count} SYNs came before or after the {window.duration_s:g} s of the workload"


def _has_own_part(point: Point, wanted: str = "") -> bool:
    return any(part.sha256 for kind, part in point.parts.items() if not wanted or kind == wanted)
