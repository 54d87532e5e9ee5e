"""What a point costs: an estimate of its wall time, and the limits past which it must be stuck.

In virtual time a point costs what the guest's CPU does, not what its network waits for: so many
connections, so many bytes, or, for anycast, so many seconds at the rate of the servers' links. In
real time it also takes as long as the transfer itself. All of it is calibrated on a 2-core
machine, one guest pinned to one core; a limit is far above, so that only a hang can reach it.
"""

from __future__ import annotations

import math

from experiments.point import Point

SETUP_S = 4.0
SECONDS_PER_CONNECTION = {"tcp": 0.0025, "mptcp": 0.006}
# Without loss, packets travel as bursts of up to 64 KB; with loss, one by one.
SECONDS_PER_GB_OF_BURSTS = 15.0
SECONDS_PER_GB_OF_PACKETS = 60.0
# Wall seconds per virtual second with three servers of 1 Gbit/s; in proportion for other rates.
ANYCAST_RATIO = {"tcp": 2.7, "mptcp": 4.1}
ANYCAST_RATE_BPS = 3e9

_LIMIT_BASE_VIRTUAL_S = 60.0
_LIMIT_FACTOR_VIRTUAL = 20.0
_LIMIT_FACTOR_ANYCAST = 5.0
_LIMIT_BASE_WALL_S = 120.0
_LIMIT_FACTOR_WALL = 10.0

_SEGMENT_BYTES = 1448
_INITIAL_WINDOW_BYTES = 10 * _SEGMENT_BYTES
_SHORTEST_ROUND_TRIP_S = 0.001
# A lost SYN is sent again after 1 s; the same bound stands for a lost tail.
_RETRANSMISSION_TIMEOUT_S = 1.0


def estimate(point: Point) -> float:
    """Wall seconds that the point takes, boot and set-up included."""
    parameters = point.parameters
    if point.scenario == "anycast":
        offered_bps = min(parameters["client_rate_bps"], parameters["servers"] * parameters["server_rate_bps"])
        busy_s = parameters["duration_s"] * ANYCAST_RATIO[point.protocol] * offered_bps / ANYCAST_RATE_BPS
    else:
        lossy = any(parameters[f"{link}_loss"] > 0 for link in ("client_director", "direct", "server"))
        gigabytes = parameters["requests"] * point.object_bytes / 1e9
        busy_s = parameters["requests"] * SECONDS_PER_CONNECTION[point.protocol]
        busy_s += gigabytes * (SECONDS_PER_GB_OF_PACKETS if lossy else SECONDS_PER_GB_OF_BURSTS)
    if point.clock == "real":
        busy_s = max(busy_s, transfer_s(point))
    return SETUP_S + float(busy_s)


def transfer_s(point: Point) -> float:
    """Seconds on the lab's clock that the workload should take at most; a pessimist's view of page loads.

    Page loads are taken to go through the director, for MPTCP too, and to pay a handshake and slow start
    each. Under loss a connection gets no more than 1.22 MSS / (RTT sqrt(p)) (Mathis et al., 1997).
    """
    parameters = point.parameters
    if point.scenario == "anycast":
        return float(parameters["duration_s"])
    links = ("client_director", "server")
    rate_bps = min(parameters[f"{link}_rate_bps"] for link in links)
    round_trip_s = max(2 * sum(parameters[f"{link}_delay_s"] for link in links), _SHORTEST_ROUND_TRIP_S)
    loss = 1 - math.prod(1 - parameters[f"{link}_loss"] for link in links)
    rounds = 2 + math.log2(1 + point.object_bytes / _INITIAL_WINDOW_BYTES)
    if loss > 0:
        fair_bps = 1.22 * 8 * _SEGMENT_BYTES / (round_trip_s * math.sqrt(loss))
        rate_bps = min(rate_bps, parameters["concurrency"] * fair_bps)
    per_request_s = rounds * (round_trip_s + 2 * loss * _RETRANSMISSION_TIMEOUT_S)
    batches = parameters["requests"] / parameters["concurrency"]
    return float(8 * parameters["requests"] * point.object_bytes / rate_bps + batches * per_request_s)


def virtual_limit_s(point: Point) -> float:
    """Seconds on the lab's clock after which the point must be stuck."""
    factor = _LIMIT_FACTOR_ANYCAST if point.scenario == "anycast" else _LIMIT_FACTOR_VIRTUAL
    return _LIMIT_BASE_VIRTUAL_S + factor * transfer_s(point)


def wall_limit_s(point: Point) -> float:
    """Wall seconds after which the point must be stuck."""
    return _LIMIT_BASE_WALL_S + _LIMIT_FACTOR_WALL * estimate(point)
