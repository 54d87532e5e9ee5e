"""What a point costs: an estimate of its wall time and of its disk, and the limits past which it must be stuck.

In virtual time a point costs what the guest's CPU does, not what its network waits for; its workload says what that
is. In real time it also takes as long as the transfer itself. All of it is calibrated on a 2-core machine, one guest
pinned to one core; a limit is far above, so that only a hang can reach it.
"""

from __future__ import annotations

from experiments.composition import parts_of
from testbed.record.point import Point

SETUP_S = 2.0

_DISK_BYTES = 200_000
# The points of Figs. 6 to 14 left 0.1 to 11 MB for each such second: little where packets come in bursts.
_DISK_BYTES_PER_BUSY_S = 12_000_000
_DISK_FACTOR_AT_DIRECTORS = 3

_LIMIT_BASE_VIRTUAL_S = 60.0
_LIMIT_BASE_WALL_S = 120.0
_LIMIT_FACTOR_WALL = 10.0
_MOST_S = 1e12


def estimate(point: Point) -> float:
    """Wall seconds that the point takes, boot and set-up included."""
    parts = parts_of(point)
    with parts.explained():
        busy_s = _seconds("busy_s", parts.workload.busy_s(parts.topology, point.protocol, point.object_bytes))
    if point.clock == "real":
        busy_s = max(busy_s, transfer_s(point))
    return SETUP_S + busy_s


def disk_bytes(point: Point) -> int:
    """The most that the point's directory should take: nearly all of it are the captures."""
    parts = parts_of(point)
    with parts.explained():
        busy_s = _seconds("busy_s", parts.workload.busy_s(parts.topology, point.protocol, point.object_bytes))
    captured = _DISK_BYTES_PER_BUSY_S * busy_s * (_DISK_FACTOR_AT_DIRECTORS if point.director_statistics else 1)
    return round(_DISK_BYTES + captured)


def transfer_s(point: Point) -> float:
    """Seconds on the lab's clock that the workload should take at most; a pessimist's view."""
    parts = parts_of(point)
    with parts.explained():
        return _seconds("transfer_s", parts.workload.transfer_s(parts.topology, point.object_bytes))


def virtual_limit_s(point: Point) -> float:
    """Seconds on the lab's clock after which the point must be stuck."""
    factor = parts_of(point).workload.limit_factor
    return _LIMIT_BASE_VIRTUAL_S + factor * transfer_s(point)


def wall_limit_s(point: Point) -> float:
    """Wall seconds after which the point must be stuck."""
    return _LIMIT_BASE_WALL_S + _LIMIT_FACTOR_WALL * estimate(point)


def _seconds(method: str, found: object) -> float:
    """The seconds that a workload, which may be a user's own, has answered; raises ValueError for what is none."""
    if not isinstance(found, int | float) or not 0 <= found <= _MOST_S:
        raise ValueError(f"{method} is {found!r}: seconds, {_MOST_S:g} at most")
    return found
