"""The lab's clock at work: a loop that samples once a second and does what a schedule says in between."""

from __future__ import annotations

import math
import time
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import IO

from testbed.lab_clock import collect_garbage
from testbed.net.counters import interface_counters, protocol_counters
from testbed.net.netns import Node
from testbed.record.counters import Sample

PERIOD_S = 1.0
_LATE_S = 0.001
"""What comes later than this is late: less is how exactly a loop in real time keeps to its times."""


@dataclass(frozen=True)
class Action:
    """Something to do at `t_s` seconds after the start, and again every so many seconds, if said.

    `answers` is what another one does that comes as often: from that to this there is always as much time, in real time
    too. `from_s` is what the next time counts from, if not from `t_s`.
    """

    t_s: float
    act: Callable[[], None]
    every_s: float | None = None
    answers: Callable[[], None] | None = None
    from_s: float | None = None


class Sampler:
    """Writes a line per second to samples.jsonl: the client's interfaces, and every node's counters.

    `further` is what else is done at each of these moments, in seconds after the start. `never_came` are the times of
    the actions, but for repeated ones, that the workload's end was before. With `real` the clock is the host's, and
    actions may come late; in virtual time each look at the clock is time that passes, so that there it looks no more
    than it must.
    """

    def __init__(
        self,
        file: IO[str],
        client: Node,
        nodes: Sequence[Node],
        further: Callable[[float], None] | None = None,
        *,
        real: bool = False,
    ) -> None:
        self._file = file
        self._further = further
        self._client = client
        self._nodes = nodes
        self._real = real
        self.never_came: tuple[float, ...] = ()
        self.started = time.monotonic()

    def now(self) -> float:
        """Seconds since the start, on the lab's clock."""
        return time.monotonic() - self.started

    def start(self) -> None:
        """Time zero."""
        self.started = time.monotonic()

    def sample(self) -> None:
        """Write one line."""
        sample = Sample(
            t=round(self.now(), 6),
            interfaces=interface_counters(self._client),
            counters={node.name: protocol_counters(node) for node in self._nodes},
        )
        self._file.write(sample.line())
        if self._further:
            self._further(sample.t_s)
        collect_garbage()

    def run(
        self, wait: Callable[[float], bool], *, actions: Sequence[Action] = (), until_s: float | None = None
    ) -> None:
        """Sample every second, and act on time, until `wait(seconds)` says that the workload ended (or `until_s`)."""
        pending = sorted(actions, key=lambda action: action.t_s)
        seconds = 0
        while True:
            marks = [(seconds + 1) * PERIOD_S, *([pending[0].t_s] if pending else [])]
            if until_s is not None:
                marks.append(until_s)
            mark = min(marks)
            if wait(max(0.0, mark - self.now())):
                self.never_came = tuple(action.t_s for action in pending if action.every_s is None)
                return
            while pending and pending[0].t_s <= mark:
                self._do_first(pending)
            if mark >= (seconds + 1) * PERIOD_S:
                seconds += 1
                self.sample()
            if until_s is not None and mark >= until_s:
                return

    def _do_first(self, pending: list[Action]) -> None:
        """Do what is due first, and put it back if it recurs.

        What answers it is as late as itself, and its own next times are left out that would come before that.
        """
        action = pending.pop(0)
        late_s = self.now() - action.t_s if self._real else 0.0
        action.act()
        if action.every_s is None:
            return
        periods = 1
        if late_s > _LATE_S and (answer := next((each for each in pending if each.answers == action.act), None)):
            pending.remove(answer)
            due_s = answer.t_s + late_s
            periods = max(1, math.ceil((due_s - action.t_s) / action.every_s))
            from_s = answer.t_s + (periods - 1) * action.every_s
            insort(pending, replace(answer, t_s=due_s, from_s=from_s), key=lambda each: each.t_s)
        from_s = action.t_s if action.from_s is None else action.from_s
        insort(pending, replace(action, t_s=from_s + periods * action.every_s, from_s=None), key=lambda each: each.t_s)
