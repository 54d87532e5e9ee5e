"""The second path of MPTCP connections: what became of the joins, and how long it took to get there.

Enters: the flows and connections of a capture. Leaves: counts of joins, and sorted lists of seconds, one
value for each connection that got so far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from analysis.flows.connections import Traffic
from testbed.record.model import CONFIG, Count, Seconds

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, config=CONFIG)
class Joins:
    """MP_JOINs that the client asked for: accepted by a SYN+ACK, refused, neither; `reset`: accepted, then reset."""

    asked: Count
    accepted: Count
    refused: Count
    unanswered: Count
    reset: Count

    @property
    def kept(self) -> int:
        """Those that were accepted, and not reset then."""
        return self.accepted - self.reset


@dataclass(frozen=True, config=CONFIG)
class Waits:
    """Ablation points: sorted seconds, one value for each of `connections` that got so far."""

    connections: Count
    join_wait_s: tuple[Seconds, ...]
    bypass_wait_s: tuple[Seconds, ...]


def join_outcomes(traffic: Traffic) -> Joins:
    """How many joins the client asked for, and how each ended; a repeated SYN is the same join."""
    flows = traffic.flows
    is_join = flows.is_join & flows.listed
    accepted = is_join & flows.is_mptcp
    refused = is_join & ~flows.is_mptcp & (flows.reset | flows.answered)
    asked = int(np.count_nonzero(is_join))
    counts = [int(np.count_nonzero(which)) for which in (accepted, refused, accepted & flows.reset)]
    return Joins(
        asked=asked,
        accepted=counts[0],
        refused=counts[1],
        unanswered=asked - counts[0] - counts[1],
        reset=counts[2],
    )


def waits(traffic: Traffic) -> Waits:
    """How long each MPTCP connection waited for its first accepted join, and for its first byte past the director.

    Only connections that carried payload count: `ab` opens one or two that it never uses.
    """
    flows, initial = traffic.flows, traffic.connection_flow
    used = traffic.connection_bytes > 0
    accepted = flows.is_join & flows.is_mptcp
    past = flows.first_past_ns >= 0
    joined_ns = _earliest(traffic, flows.answered_ns, accepted)
    bypassed_ns = _earliest(traffic, flows.first_past_ns, past)
    return Waits(
        connections=int(np.count_nonzero(used)),
        join_wait_s=_after(joined_ns[used], flows.answered_ns[initial][used]),
        bypass_wait_s=_after(bypassed_ns[used], flows.opened_ns[initial][used]),
    )


def _earliest(traffic: Traffic, times_ns: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The earliest time among each connection's chosen flows."""
    earliest = np.full(traffic.mptcp_connections, _NEVER, np.int64)
    chosen = chosen & (traffic.flows.connection >= 0)
    np.minimum.at(earliest, traffic.flows.connection[chosen], times_ns[chosen])
    return earliest


def _after(times_ns: NDArray[np.int64], since_ns: NDArray[np.int64]) -> tuple[float, ...]:
    """Sorted seconds, to the microsecond, of those connections that have such a time."""
    reached = times_ns != _NEVER
    seconds = np.sort(times_ns[reached] - since_ns[reached]) / 1e9
    return tuple(round(value, 6) for value in seconds.tolist())
