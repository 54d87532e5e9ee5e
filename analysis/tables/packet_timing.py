"""The columns of the table of packets that are about time and order: round trips, delays, waits, what came again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.flows.in_order import held_bytes
from analysis.flows.observation import Observation
from analysis.flows.retransmissions import KINDS
from analysis.flows.windows import UNKNOWN, in_flight, receive_windows
from analysis.pcap.columns import Rows

_S = 1e9


def timing_columns(observed: Observation, rows: Rows) -> dict[str, Any]:
    """These columns of the packets in `rows`."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    trips, stamped, one_way, pieces = (
        observed.round_trips, observed.stamped_round_trips, observed.one_way, observed.pieces
    )  # fmt: skip
    count = len(packets)

    def spread(at: Rows, values: NDArray[Any], *, but: int | None = None) -> np.ma.MaskedArray[Any, Any]:
        every, missing = np.zeros(count, values.dtype), np.ones(count, np.bool_)
        known = slice(None) if but is None else values != but
        every[at[known]], missing[at[known]] = values[known], False
        return np.ma.MaskedArray(every[rows], missing[rows])

    delivered = pieces.is_delivered
    held_at, _, held = held_bytes(pieces)
    flight_at, flight = in_flight(observed.acks, observed.subflows.space)
    window_at, window = receive_windows(packets, uniflow, len(observed.traffic.flows))
    nowhere = np.empty(0, np.int64)
    # The first piece of a packet is the last to be put down.
    arrived = pieces.arrived[delivered][::-1]
    return {
        "round_trip_s": spread(trips.ack_row, trips.ns / _S),
        "delayed_ack": spread(trips.ack_row, trips.is_delayed),
        "stamp_round_trip_s": spread(stamped.ack_row, stamped.ns / _S),
        "one_way_s": spread(one_way.row, one_way.ns / _S) if one_way else spread(nowhere, nowhere / _S),
        "flight_bytes": spread(flight_at, flight, but=UNKNOWN),
        "window_bytes": spread(window_at, window, but=UNKNOWN),
        "wait_s": spread(arrived, pieces.wait_ns(packets.time_ns)[delivered][::-1] / _S),
        "held_bytes": spread(held_at, held),
        "again": _again(observed, rows),
    }


def _again(observed: Observation, rows: Rows) -> list[str | None]:
    """The kind of what was sent before: on its own subflow, or else on another one."""
    again, other = observed.retransmissions, observed.reinjections
    found = np.full(len(observed.packets), len(KINDS) + 1, np.int64)
    found[other.row] = len(KINDS)
    found[again.row] = again.kind
    names = [*KINDS, "reinjection", None]
    return [names[each] for each in found[rows].tolist()]
