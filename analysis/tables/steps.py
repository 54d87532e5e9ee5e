"""The table of steps: packets, bytes and RSTs per path, server and direction, in steps that fit the point's length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.observation import DIRECTIONS, Observation, path_names
from analysis.pcap import RST
from analysis.pcap.columns import Bools, Rows
from analysis.tables import TABLES

MOST_STEPS = 300
"""A point has so many steps at most: more could not be told apart on a screen."""

_NS = 1_000_000_000
_LADDER = (1, 2, 5)


def step_ns(observed: Observation) -> int:
    """The length of the steps: the shortest of 1, 2, 5, 10... ns of which the workload has `MOST_STEPS` at most."""
    least = -(-max(observed.last_ns - observed.start_ns, 1) // MOST_STEPS)
    power: int = 10 ** (len(str(least)) - 1)
    return next(each * power for each in (*_LADDER, 10) if each * power >= least)


def step_of(observed: Observation) -> tuple[Rows, Bools]:
    """The step of each packet, and which packets are within the workload; one at its very end is of the last step."""
    size, last = step_ns(observed), observed.last_ns
    times = observed.packets.time_ns
    steps = np.minimum((times - observed.start_ns) // size, max(-(-(last - observed.start_ns) // size) - 1, 0))
    return np.asarray(steps, np.int64), np.asarray((times >= observed.start_ns) & (times <= last), np.bool_)


def tabulate_steps(observed: Observation) -> pa.Table:
    """The table `steps`."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    step, within = step_of(observed)
    rows = np.flatnonzero(within & (uniflow >= 0))
    names = sorted({each.name for each in observed.servers if each.name is not None})
    place = {name: number for number, name in enumerate(names, start=1)}
    of_flow = np.array([0 if each.name is None else place[each.name] for each in observed.servers], np.int64)
    # Path, server, direction and step of a packet in one number, made in place: there are millions of packets.
    steps = int(step[rows].max(initial=0)) + 1
    key = observed.traffic.sides.path[rows].astype(np.int64)
    key *= len(names) + 1
    key += of_flow[uniflow[rows] >> 1] if len(of_flow) else 0
    key *= 2
    key += uniflow[rows] & 1
    key *= steps
    key += step[rows]
    groups = np.flatnonzero(np.bincount(key))
    label, each_step = np.divmod(groups, steps)
    label, direction = np.divmod(label, 2)
    each_path, each_server = np.divmod(label, len(names) + 1)

    def total(values: NDArray[Any] | None) -> NDArray[np.int64]:
        return np.asarray(np.bincount(key, values)[groups], np.int64)

    columns = {
        "point": [observed.point] * len(groups),
        "step": each_step,
        "step_s": np.full(len(groups), step_ns(observed) / _NS),
        "path": path_names(each_path.astype(np.uint8)),
        "server": [names[number - 1] if number else None for number in each_server.tolist()],
        "direction": [DIRECTIONS[number] for number in direction.tolist()],
        "packets": total(None),
        "payload_bytes": total(packets.payload_bytes[rows]),
        "ip_bytes": total(packets.ip_bytes[rows]),
        "resets": total((packets.flags[rows] & RST) != 0),
    }
    return TABLES["steps"].of_columns(columns)
