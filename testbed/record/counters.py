"""What the lab's kernels counted: `counters.json` (before and after the workload) and `samples.jsonl` (once a second).

Enters: a raw directory. Leaves: typed data; an absent file gives None or nothing, a malformed one an
AnalysisError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from testbed.base.errors import AnalysisError
from testbed.record import reading

SENT_RESETS = "TcpOutRsts"

Nodes = Mapping[str, Mapping[str, int]]
"""Counters by node and by nstat's name; one that is not there is 0."""


@dataclass(frozen=True)
class CounterSeries:
    """A counter of one node over time: `t_s` since the workload's start, ascending, and its values."""

    t_s: Sequence[float]
    value: Sequence[int]

    def rose_between(self, low_s: float, high_s: float) -> bool:
        """Whether it rose between the last sample before `low_s` and the first one after `high_s`."""
        before = int(np.searchsorted(self.t_s, low_s, side="right")) - 1
        after = int(np.searchsorted(self.t_s, high_s, side="left"))
        if after >= len(self.t_s):
            return True  # after the last sample nobody knows
        return self.value[after] > (self.value[before] if before >= 0 else self.value[0] if after else 0)


@dataclass(frozen=True)
class Settled:
    """The counters a while after the workload; read from `from_s` to `to_s` seconds after its start."""

    counters: Nodes
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Counters:
    """The counters before the workload, after it, and a while later.

    `queue_drops` are the packets that the queues of each node dropped meanwhile, by interface. None: not recorded.
    """

    before: Nodes
    after: Nodes
    settled: Settled | None = None
    queue_drops: Nodes | None = None


@dataclass(frozen=True)
class Sample:
    """One line of `samples.jsonl`, `t_s` seconds after the workload's start."""

    t_s: float
    interfaces: Nodes
    counters: Nodes


def read_counters(directory: Path) -> Counters | None:
    """The counters around the workload; raises AnalysisError for a malformed file."""
    path = directory / "counters.json"
    if not reading.is_there(path):
        return None
    raw = reading.read_object(path, path.name)
    drops = raw.get("queue_drops")
    try:
        return Counters(
            _nodes(raw["before"]), _nodes(raw["after"]), _settled(raw), None if drops is None else _nodes(drops)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnalysisError(f"{path.name}: not counters by node: {str(error)[:80]}") from error


def read_samples(directory: Path) -> list[Sample]:
    """The samples in order of time; raises AnalysisError with the line of a malformed one."""
    path = directory / "samples.jsonl"
    if not reading.is_there(path):
        return []
    found = []
    for name, raw in reading.read_lines(path):
        try:
            found.append(Sample(float(raw["t"]), _nodes(raw["interfaces"]), _nodes(raw["counters"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AnalysisError(f"{name}: not a sample: {str(error)[:80]}") from error
    return found


def sent_resets(samples: Sequence[Sample]) -> dict[str, CounterSeries]:
    """How many RSTs each node had sent, over time."""
    nodes = samples[0].counters if samples else {}
    times = [sample.t_s for sample in samples]
    return {
        node: CounterSeries(times, [sample.counters.get(node, {}).get(SENT_RESETS, 0) for sample in samples])
        for node in nodes
    }


def _settled(raw: Mapping[str, Any]) -> Settled | None:
    if raw.get("settled") is None or raw.get("settled_s") is None:  # a reading at an unknown time proves nothing
        return None
    from_s, to_s = map(float, raw["settled_s"])
    return Settled(_nodes(raw["settled"]), from_s, to_s)


def _nodes(raw: Mapping[str, Mapping[str, Any]]) -> Nodes:
    return {node: {name: _count(name, value) for name, value in counters.items()} for node, counters in raw.items()}


def _count(name: str, value: Any) -> int:
    count = int(value)
    if not -(1 << 63) <= count < 1 << 63:
        raise ValueError(f"{name} has more than 64 bits")
    return count
