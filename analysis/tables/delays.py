"""The table of delays: round trips, one-way delays, flight and windows of each subflow and sender."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.observation import Observation
from analysis.flows.round_trips import RoundTrips, Spread, spread
from analysis.flows.windows import UNKNOWN, in_flight, receive_windows
from analysis.pcap import SYN
from analysis.pcap.columns import I64, Rows
from analysis.tables import TABLES

_S = 1e9
_SPREAD = {"least": "least", "median": "median", "p95": "high", "most": "most"}
"""How columns begin, and what of a spread is in them."""


def tabulate_delays(observed: Observation) -> pa.Table:
    """The table `delays`, in order of connection, subflow and sender."""
    uniflow = observed.subflows.uniflow
    connection, subflow, _ = observed.numbers
    count = 2 * len(connection)
    chosen = np.flatnonzero(np.bincount(uniflow[uniflow >= 0], minlength=count))
    chosen = chosen[np.lexsort((chosen & 1 ^ 1, subflow[chosen >> 1], connection[chosen >> 1]))]
    chosen = chosen[connection[chosen >> 1] >= 0]
    trips, stamped, one_way = observed.round_trips, observed.stamped_round_trips, observed.one_way
    counting = np.flatnonzero(~trips.is_delayed)
    by_ack = spread(trips.uniflow[counting], trips.ns[counting], count)
    by_stamp = spread(stamped.uniflow, stamped.ns, count)
    delayed = np.bincount(trips.uniflow[trips.is_delayed], minlength=count)
    flight = _flight(observed, count)
    least, most = _windows(observed, count)
    columns: dict[str, Any] = {
        "point": [observed.point] * len(chosen),
        "connection": connection[chosen >> 1],
        "subflow": subflow[chosen >> 1],
        "sender": np.where(chosen & 1, "client", "server"),
        "handshake_s": _handshake(trips, count)[chosen],
        "samples": by_ack.count[chosen],
        **_seconds(by_ack, chosen, {f"{name}_s": each for name, each in _SPREAD.items()}),
        "delayed_acks": delayed[chosen],
        "stamp_samples": by_stamp.count[chosen],
        **_seconds(by_stamp, chosen, {"stamp_least_s": "least", "stamp_median_s": "median"}),
        "flight_most": _known(flight, UNKNOWN)[chosen],
        "window_least": _known(least, np.iinfo(np.int64).max)[chosen ^ 1],
        "window_most": _known(most, UNKNOWN)[chosen ^ 1],
    }
    names = {f"one_way_{name}_s": each for name, each in _SPREAD.items()}
    if one_way is None:
        columns |= dict.fromkeys(("one_way_samples", *names), [None] * len(chosen))
    else:
        found = spread(uniflow[one_way.row], one_way.ns, count)
        columns |= {"one_way_samples": found.count[chosen], **_seconds(found, chosen, names)}
    return TABLES["delays"].of_columns(columns)


def _seconds(found: Spread, chosen: Rows, names: dict[str, str]) -> dict[str, Any]:
    missing = found.count[chosen] == 0
    return {name: np.ma.MaskedArray(getattr(found, each)[chosen] / _S, missing) for name, each in names.items()}


def _known(values: I64, unknown: int) -> np.ma.MaskedArray[Any, Any]:
    return np.ma.MaskedArray(values, values == unknown)


def _handshake(trips: RoundTrips, count: int) -> NDArray[np.float64]:
    """The round trip of each uniflow's SYN, NaN where there is none."""
    found = np.full(count, np.nan)
    rows = np.flatnonzero(trips.is_handshake)
    found[trips.uniflow[rows][::-1]] = trips.ns[rows][::-1] / _S
    return found


def _flight(observed: Observation, count: int) -> I64:
    rows, bytes_ = in_flight(observed.acks, observed.subflows.space)
    most = np.full(count, UNKNOWN, np.int64)
    np.maximum.at(most, observed.subflows.uniflow[rows], bytes_)
    return most


def _windows(observed: Observation, count: int) -> tuple[I64, I64]:
    """The least and the largest window that each uniflow announces, SYNs left out."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    rows, window = receive_windows(packets, uniflow, count // 2)
    counting = ((packets.flags[rows] & SYN) == 0) & (window != UNKNOWN)
    rows, window = rows[counting], window[counting]
    least, most = np.full(count, np.iinfo(np.int64).max), np.full(count, UNKNOWN, np.int64)
    np.minimum.at(least, uniflow[rows], window)
    np.maximum.at(most, uniflow[rows], window)
    return least, most
