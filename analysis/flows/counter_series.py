"""A kernel's counter over time, of a point's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from testbed.record.counters import Nodes, Sample

SENT_RESETS = "TcpOutRsts"


@dataclass(frozen=True)
class CounterSeries:
    """A counter of one node over time: `t_s` since the workload's start, ascending, and its values.

    `start` is its value when the workload began: the first sample is a second behind that, and has counted since.
    """

    t_s: Sequence[float]
    value: Sequence[int]
    start: int = 0

    def rose_between(self, low_s: float, high_s: float) -> bool:
        """Whether it rose between the last sample before `low_s` and the first one after `high_s`."""
        before = int(np.searchsorted(self.t_s, low_s, side="right")) - 1
        after = int(np.searchsorted(self.t_s, high_s, side="left"))
        if after >= len(self.t_s):
            return True  # after the last sample nobody knows
        return self.value[after] > (self.value[before] if before >= 0 else self.start)


def sent_resets(samples: Sequence[Sample], before: Nodes | None = None) -> dict[str, CounterSeries]:
    """How many RSTs each node had sent, over time, and `before` the workload (None: nobody has counted, so none)."""
    nodes = samples[0].counters if samples else {}
    times = [sample.t_s for sample in samples]
    return {
        node: CounterSeries(
            times,
            [sample.counters.get(node, {}).get(SENT_RESETS, 0) for sample in samples],
            (before or {}).get(node, {}).get(SENT_RESETS, 0),
        )
        for node in nodes
    }
