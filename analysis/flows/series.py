"""Per-second series of one point: link utilisation and RSTs since the workload's start.

Second k covers [k, k+1) seconds after `workload-started` on the lab's clock. A last second that the workload
only began is left out, because a rate over it would be too low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.connections import Traffic, resets
from analysis.pcap import Packets
from testbed.base.errors import AnalysisError
from testbed.record.events import ENDED, STARTED, Event

_NS = 1_000_000_000
_LONGEST_S = 31 * 86_400
"""Longer workloads are mistakes of a clock; there is a value per second of what lies below."""


@dataclass(frozen=True)
class Window:
    """When the workload ran: `start_ns` on the lab's clock, and how long, in seconds.

    `ended` is False when there is no `workload-ended` and the length is that of the last event, or of the plan.
    """

    start_ns: int
    duration_s: float
    ended: bool

    @property
    def whole_seconds(self) -> int:
        """Seconds that the workload ran through; a microsecond short of one still counts."""
        return math.floor(self.duration_s + 1e-6)

    @property
    def end_ns(self) -> int:
        """End of the workload on the lab's clock."""
        return self.start_ns + round(self.duration_s * _NS)


@dataclass(frozen=True)
class PerSecond:
    """One value per whole second: payload bits that reached the client; RSTs seen there; RSTs it received."""

    utilisation_bps: tuple[int, ...]
    resets: tuple[int, ...]
    resets_received: tuple[int, ...]


def workload_window(events: Sequence[Event], planned_s: float | None) -> Window:
    """When the workload ran, by its events; a planned length bounds it (what ab does after that is its end).

    Raises AnalysisError without a `workload-started` that says where t = 0 lies on the lab's clock, and for a workload
    of more than a month.
    """
    started = next((event for event in events if event.event == STARTED), None)
    if started is None or started.epoch_s is None:
        raise AnalysisError("events.jsonl: there is no 'workload-started' with its 'epoch_s'")
    ended = next((event for event in events if event.event == ENDED), None)
    duration_s = ended.t_s if ended else planned_s if planned_s is not None else events[-1].t_s
    if planned_s is not None:
        duration_s = min(duration_s, planned_s)
    if not duration_s <= _LONGEST_S:
        raise AnalysisError(f"events.jsonl: the workload took {duration_s:g} s: more than a month, {_LONGEST_S} s")
    return Window(round(started.epoch_s * _NS), max(duration_s, 0.0), ended is not None)


def per_second(packets: Packets, traffic: Traffic, window: Window) -> PerSecond:
    """Utilisation and RSTs in each whole second of the workload."""
    to_client = traffic.sides.to_client
    bits = _sums(packets.time_ns[to_client], window, packets.payload_bytes[to_client].astype(np.int64) * 8)
    seen, received = resets(packets, traffic.sides)
    return PerSecond(bits, _sums(seen, window), _sums(received, window))


def resets_within(packets: Packets, traffic: Traffic, window: Window) -> tuple[int, int]:
    """RSTs seen at the client from the workload's start to its end, and those among them that it received."""
    counts = [
        int(np.count_nonzero((times >= window.start_ns) & (times <= window.end_ns)))
        for times in resets(packets, traffic.sides)
    ]
    return counts[0], counts[1]


def _sums(times_ns: NDArray[np.int64], window: Window, weights: NDArray[np.int64] | None = None) -> tuple[int, ...]:
    second = (times_ns - window.start_ns) // _NS
    inside = (second >= 0) & (second < window.whole_seconds)
    total = np.zeros(window.whole_seconds, np.int64)
    np.add.at(total, second[inside], 1 if weights is None else weights[inside])
    return tuple(total.tolist())
